"""Tidings itself, and any other ASGI application, in a process of its own."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import httpx2

from tidings.testing.services.base import HOST, Service
from tidings.testing.services.block import ServiceError


class TidingsNode(Service):
    """A `tidings serve` with these settings, which are shaped as `tidings.toml` is.

    >>> with TidingsNode({"api": {"key": "k"}}) as node:
    ...     node.websocket, node.url

    `arguments` are further ones of `tidings serve`, `environment` is added to this process's own, in which settings of
    Tidings are left out: they would win over a test's. With `columns` it writes to a terminal of that width.
    """

    name = "tidings"
    hints: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        settings: Mapping[str, Any] | None = None,
        *,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        columns: int | None = None,
    ) -> None:
        super().__init__()
        self._settings = settings or {}
        self._arguments = arguments
        self._variables = environment or {}
        self.columns = columns

    @property
    def url(self) -> str:
        secure = "tls_certificate" in self._settings.get("server", {})
        return f"{'https' if secure else 'http'}://{HOST}:{self.port}"

    @property
    def websocket(self) -> str:
        """Where clients of the Centrifuge protocol connect."""
        return f"{self.url.replace('http', 'ws', 1)}/connection/websocket"

    @property
    def config(self) -> Path:
        """The file with its settings, for commands of `tidings` beside it."""
        return self.directory / "tidings.toml"

    def prepare(self) -> None:
        self.config.write_text("".join(toml(self._settings)))

    def command(self) -> list[str]:
        command = [sys.executable, "-m", "tidings.cli", "serve", "--config", str(self.config)]
        return [*command, "--host", HOST, "--port", str(self.port), *self._arguments]

    def environment(self) -> Mapping[str, str]:
        return {**environment(), **self._variables}

    def is_ready(self) -> bool:
        return _answers(f"{self.url}/health/live")


SERVERS = ("uvicorn", "hypercorn", "granian", "daphne")
"""Those that can host an `AsgiApp`; each is run as `python -m NAME`."""

GRANIAN = ("--interface", "asgi")


class AsgiApp(Service):
    """Any ASGI application, such as "main:app", hosted by uvicorn, hypercorn, granian or daphne.

    `folder` is where its module is, `server` the name of one of these, `options` are further ones of that server,
    `environment` is added to this process's own. Ready is who accepts connections; with `ready_path` who
    answers there with success. When it is asked to stop, requests that are under way have `grace` seconds to end: a
    long poll that a test has left open holds nobody up for longer.
    """

    name = "app"
    hints: ClassVar[Mapping[str, str]] = {
        **Service.hints,
        "error loading asgi app": "Name the application as module:attribute, and in `folder` where the module is.",
        **{f"no module named {server}": f"Install it: pip install {server}." for server in SERVERS},
        "modulenotfounderror": "Name in `folder` where the module is, or install what it imports.",
    }

    def __init__(
        self,
        application: str,
        *,
        folder: Path | str = ".",
        server: str = "uvicorn",
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        ready_path: str = "",
        grace: int = 2,
    ) -> None:
        super().__init__()
        self.application = application
        self._folder = Path(folder).resolve()
        self._server = server
        self._options = options
        self._variables = environment or {}
        self._ready_path = ready_path
        self._grace = str(grace)
        if server not in SERVERS:
            raise ServiceError(
                f"There is no server {server!r} for an application: name {', '.join(SERVERS[:-1])} or {SERVERS[-1]}."
            )

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def websocket(self, path: str = "/") -> str:
        """The address of a WebSocket route."""
        return f"ws://{HOST}:{self.port}{path}"

    def command(self) -> list[str]:
        how = {
            "uvicorn": ["--host", HOST, "--port", str(self.port), "--timeout-graceful-shutdown", self._grace],
            "hypercorn": ["--bind", f"{HOST}:{self.port}", "--graceful-timeout", self._grace],
            "granian": [*GRANIAN, "--host", HOST, "--port", str(self.port), "--workers-kill-timeout", self._grace],
            "daphne": ["--bind", HOST, "--port", str(self.port), "--application-close-timeout", self._grace],
        }[self._server]
        return [sys.executable, "-m", self._server, self.application, *how, *self._options]

    def environment(self) -> Mapping[str, str]:
        path = os.pathsep.join(filter(None, [str(self._folder), os.environ.get("PYTHONPATH", "")]))
        return {**os.environ, "PYTHONPATH": path, **self._variables}

    def is_ready(self) -> bool:
        return _answers(f"{self.url}{self._ready_path}") if self._ready_path else accepts(self.port)


def accepts(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    try:
        socket.create_connection((HOST, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def environment() -> dict[str, str]:
    """This process's environment, without settings of Tidings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}


def toml(settings: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[str]:
    """The lines of a settings file, one dotted key in each."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from toml(value, (*path, key))
        else:
            yield f"{'.'.join(json.dumps(part) for part in (*path, key))} = {_literal(value)}\n"


def _literal(value: Any) -> str:
    """TOML writes our values as JSON does, but for the tables in a list."""
    match value:
        case Mapping():
            return f"{{{', '.join(f'{json.dumps(key)} = {_literal(one)}' for key, one in value.items())}}}"
        case list() | tuple():
            return f"[{', '.join(map(_literal, value))}]"
    return json.dumps(value)


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=1.0, verify=False).is_success
    except httpx2.HTTPError:
        return False
