"""The settings of one Tidings process.

A TOML file, then environment variables, then what the command line or the application says. The result is plain frozen
values that are known to go together, and that know how to be read `again`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from tidings.app.settings import checks, complaints, key_checks, masking
from tidings.app.settings.auth import Auth
from tidings.app.settings.channels import options
from tidings.app.settings.fields import Section
from tidings.app.settings.layers import File, Layer, Overrides, merged, origin, stacked
from tidings.app.settings.secret_files import filled
from tidings.app.settings.sections import (
    SECTIONS,
    Api,
    Broker,
    Client,
    Diagnostics,
    Limits,
    Log,
    Proxies,
    Server,
    Tracing,
)
from tidings.channels.options import ChannelOptions
from tidings.errors import SettingsError


@dataclass(frozen=True)
class Settings:
    """All settings. Without arguments, the defaults: nobody may connect, and nothing leaves the process."""

    server: Server = field(default_factory=Server)
    broker: Broker = field(default_factory=Broker)
    auth: Auth = field(default_factory=Auth)
    api: Api = field(default_factory=Api)
    client: Client = field(default_factory=Client)
    limits: Limits = field(default_factory=Limits)
    proxy: Proxies = field(default_factory=Proxies)
    log: Log = field(default_factory=Log)
    tracing: Tracing = field(default_factory=Tracing)
    diagnostics: Diagnostics = field(default_factory=Diagnostics)

    channels: ChannelOptions = field(default_factory=ChannelOptions)
    """The options of channels without a namespace."""

    namespaces: Mapping[str, ChannelOptions] = field(default_factory=dict)
    """The options of each namespace, by its name."""

    files: tuple[Path, ...] = field(default=(), compare=False, repr=False)
    """Where they were read from: the settings file, and those of secrets."""

    again: Callable[[], Settings] | None = field(default=None, compare=False, repr=False)
    """Reads them anew from the same sources, as `load` does; None for settings that come from the program alone."""

    @property
    def lets_somebody_in(self) -> bool:
        """Whether anybody can connect: with a token, without one, or because an endpoint says so."""
        is_open = self.client.anonymous or self.client.insecure
        return is_open or self.auth.connections.has_keys or bool(self.proxy.connect.endpoint)

    @classmethod
    def load(
        cls,
        path: Path | None = None,
        environ: Mapping[str, str] = os.environ,
        overrides: Mapping[str, Any] = {},
    ) -> Settings:
        """Read the settings from file, environment and `overrides`, the later above the earlier.

        The file is `path`, else the one that TIDINGS_CONFIG names, else ./tidings.toml where it exists, else none.
        `overrides` are nested as the file is, or named "server.port"; None means that nothing was given.
        Raises `SettingsError` with one sentence about the first thing that is wrong.
        """
        layers = stacked(path, environ, overrides)
        # The same file again, even where it was found: if it is away for a moment, its keys are not to be forgotten.
        found = next((layer.path for layer in layers if isinstance(layer, File)), None)
        settings = cls._of(layers)
        files = settings.files if found is None else (found, *settings.files)
        return replace(settings, files=files, again=lambda: cls.load(found, environ, overrides))

    @classmethod
    def of(cls, overrides: Mapping[str, Any]) -> Settings:
        """The defaults with `overrides`, which are as in `load`; reads no file and no environment."""
        return cls._of([Overrides(overrides)])

    def shown(self) -> dict[str, Any]:
        """The settings as the file would nest them, of plain values, with secrets masked; see `masking`."""
        sections: dict[str, Any] = {
            name: getattr(self, name).model_dump(mode="json", exclude_none=True)
            for name in SECTIONS
            if name != "channels"
        }
        namespaces = {name: msgspec.to_builtins(own) for name, own in self.namespaces.items()}
        sections["channels"] = {**msgspec.to_builtins(self.channels), "namespaces": namespaces}
        shown: dict[str, Any] = masking.shown(sections)
        return shown

    @classmethod
    def _of(cls, layers: Sequence[Layer]) -> Settings:
        values, files = filled(merged([layer.values for layer in layers]), layers)
        for name in values:
            if name not in SECTIONS:
                raise complaints.unknown_section(name, values[name], layers)
        sections: dict[str, Any] = {name: _section(name, values, layers) for name in SECTIONS}
        sections["channels"], sections["namespaces"] = options(sections["channels"])
        settings = cls(**sections, files=files)
        for place, sentence in settings._objections():
            raise SettingsError(origin(layers, place) + sentence)
        return settings

    def _objections(self) -> Iterator[complaints.Objection]:
        return chain(
            checks.check_server(self.server, self.broker),
            checks.check_broker(self.broker),
            key_checks.check_auth(self.auth),
            checks.check_client(self.client),
            checks.check_limits(self.limits),
            checks.check_tracing(self.tracing),
            checks.check_proxies(self.proxy),
            checks.check_namespaces(self.namespaces),
            checks.check_channels(("channels",), self.channels),
            *(checks.check_channels(("channels", "namespaces", name), own) for name, own in self.namespaces.items()),
            checks.check_proxied(("channels",), self.channels, self.proxy),
            *(
                checks.check_proxied(("channels", "namespaces", name), own, self.proxy)
                for name, own in self.namespaces.items()
            ),
        )


def _section(name: str, values: Mapping[str, Any], layers: Sequence[Layer]) -> Section:
    try:
        return SECTIONS[name].model_validate(values.get(name, {}))
    except ValidationError as error:
        raise complaints.invalid(name, error, layers) from None
