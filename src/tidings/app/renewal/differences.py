"""What is different between the settings that count and those that were read anew, and what of it may count at once.

Pure. A difference is named as an operator would look for it, "[auth] hmac_secret", and never with its values.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec
from msgspec import Struct

from tidings.app.settings import Settings
from tidings.app.settings.complaints import heading
from tidings.app.settings.fields import Section
from tidings.app.settings.layers import Place
from tidings.app.settings.sections import SECTIONS

KEYS: Collection[Place] = (("auth",), ("api", "key"), ("api", "key_file"))
"""What every hub can change while it runs; a section stands for all that is in it."""

CERTIFICATE: Collection[Place] = (("server", "tls_certificate"), ("server", "tls_key"))
LOGS: Collection[Place] = (("log", "level"),)


class Change(Struct, frozen=True):
    """What came of reading the settings anew. `live` counts from now on, `restart` would need a restart."""

    live: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.live or self.restart)


def applicable(live: Collection[Place], before: Settings, after: Settings) -> Collection[Place]:
    """Those of the places that can change so: a server may change its certificate, but not whether it has one."""
    if before.server.tls_certificate and after.server.tls_certificate:
        return live
    return [place for place in live if place not in CERTIFICATE]


def change(before: Settings, after: Settings, live: Collection[Place]) -> Change:
    """The differences, by whether their places are among those that are `live`."""
    places = list(_differences(before, after))
    at_once = [place for place in places if _is_in(place, live)]
    return Change(tuple(map(_name, at_once)), tuple(_name(place) for place in places if place not in at_once))


def merged(before: Settings, after: Settings, live: Collection[Place]) -> Settings:
    """The settings before, with what of the new ones counts at once."""
    sections: dict[str, Any] = {}
    for place in live:
        section, *keys = place
        found = getattr(after, section)
        if keys:
            current = sections.get(section, getattr(before, section))
            found = current.model_copy(update={key: getattr(found, key) for key in keys})
        sections[section] = found
    # What the program gives has no files, and those of before are watched on.
    return replace(before, **sections, files=before.files if after.again is None else after.files)


def _differences(before: Settings, after: Settings) -> Iterator[Place]:
    for name in SECTIONS:
        if name != "channels":
            yield from _within((name,), dict(getattr(before, name)), dict(getattr(after, name)))
    yield from _within(("channels",), msgspec.structs.asdict(before.channels), msgspec.structs.asdict(after.channels))
    yield from _within(("channels", "namespaces"), before.namespaces, after.namespaces)


def _within(place: Place, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Place]:
    for key in dict.fromkeys([*before, *after]):
        one, other = before.get(key), after.get(key)
        if one == other:
            continue
        if isinstance(one, Section) and isinstance(other, Section):
            yield from _within((*place, key), dict(one), dict(other))
        elif isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from _within((*place, key), one, other)
        else:
            yield (*place, key)


def _is_in(place: Place, places: Collection[Place]) -> bool:
    return any(place[: len(one)] == one for one in places)


def _name(place: Place) -> str:
    return f"{heading(place[:-1])} {place[-1]}"
