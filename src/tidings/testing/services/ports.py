"""Ports that no two test processes of this machine are given at the same time.

Asking the kernel for a free port and closing it again leaves a moment in which somebody else gets the same one. Here a
port is taken by a lock on a file, which lasts as long as the process that holds it. The ports lie below those from
which the kernel chooses for outgoing connections, so none of these can come in between either.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from contextlib import suppress
from pathlib import Path

FIRST, LAST = 20_000, 32_000

LOCKS = Path("/tmp/tidings-ports")  # noqa: S108, ports are the machine's, so the place is the same whatever TMPDIR says

_held: dict[str, int] = {}
"""The open files that keep the locks, by name."""


def reserve() -> int:
    """A port that is free now and stays ours until `release`, or until this process ends.

    Raises `OSError` when there is none left.
    """
    offset = random.randrange(LAST - FIRST)  # noqa: S311, nothing secret
    for step in range(LAST - FIRST):
        port = FIRST + (offset + step) % (LAST - FIRST)
        if claim(str(port)):
            if is_free(port):
                return port
            release(port)
    raise OSError(f"no free port between {FIRST} and {LAST}: end programs that listen there")


def release(port: int) -> None:
    """Give a port back. Repeating it is harmless."""
    disclaim(str(port))


def claim(name: str) -> bool:
    """Take something that test processes of this machine share, such as a database of one server, for this one alone.

    False if it is taken, by this process or another one. It is ours until `disclaim`, or until this process ends.
    """
    if name in _held:
        return False
    directory = LOCKS if LOCKS.parent.is_dir() else Path(tempfile.gettempdir()) / LOCKS.name
    if not directory.is_dir():
        directory.mkdir(mode=0o777, exist_ok=True)
        directory.chmod(0o1777)  # Every user of the machine locks here, and nobody removes what is somebody else's.
    try:
        file = _open(directory / name)
    except PermissionError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return False
    _held[name] = file
    return True


def disclaim(name: str) -> None:
    """Let others have it. Repeating it is harmless."""
    if (lock := _held.pop(name, None)) is not None:
        os.close(lock)


def _open(path: Path) -> int:
    """The file of a lock. Kernels may refuse to create what is there already and somebody else's, not to read it."""
    with suppress(FileNotFoundError):
        return os.open(path, os.O_RDONLY)
    return os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of this machine now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
