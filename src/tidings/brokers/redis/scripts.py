"""The Lua scripts: what has to happen in Redis as one step."""

from __future__ import annotations

import hashlib
from importlib import resources

from msgspec import Struct


class Script(Struct, frozen=True):
    """A script with its shared beginning, and the name that Redis gives it (EVALSHA)."""

    text: bytes
    digest: bytes


def _script(name: str, *shared: str) -> Script:
    folder = resources.files(__package__) / "scripts"
    text = b"\n".join((folder / f"{part}.lua").read_bytes() for part in (*shared, name))
    return Script(text, hashlib.sha1(text, usedforsecurity=False).hexdigest().encode())


APPEND = _script("append", "stream")
PUBLISH = _script("publish")
READ = _script("read", "stream")
ENTER = _script("enter", "leases")
LEAVE = _script("leave")
PRESENT = _script("present", "leases")
COUNT = _script("count", "leases")
ARRIVE = _script("arrive", "leases")
CLIENTS = _script("clients", "leases")
SHOW = _script("show")

ALL = (APPEND, PUBLISH, READ, ENTER, LEAVE, PRESENT, COUNT, ARRIVE, CLIENTS, SHOW)
