"""What everything is called in NATS. `docs/nats.md` lists the subjects.

A subject consists of levels with dots between them, and some characters mean something there: blanks end it, `*` and
`>` stand for others. A channel's name may have all of these, so it becomes one level, in which whatever could mean
something is written as "=" and two hexadecimal digits. No two names become the same level, and each level is read back
as its name.

    PREFIX.channel.<channel>    publications, joins and leaves
    PREFIX.nodes                cards of nodes, and the question who is there
    PREFIX.all                  what one node says to all
    PREFIX.node.<node>          what one node says to another
    PREFIX.echo.<connection>    what a connection says to itself, to learn how far the server has come
"""

from __future__ import annotations

import re

from tidings.errors import SettingsError

_OUTSPOKEN = re.compile(rb"[^-A-Za-z0-9_:#$,@/+~]")
_WRITTEN = re.compile(rb"=([0-9A-F]{2})")
_PREFIX = re.compile(r"[-A-Za-z0-9_:$]+(\.[-A-Za-z0-9_:$]+)*")


class Subjects:
    """Names below one prefix. Raises `SettingsError` for a prefix that subjects cannot begin with."""

    def __init__(self, prefix: str) -> None:
        if not _PREFIX.fullmatch(prefix):
            raise SettingsError(
                f'[broker] prefix = "{prefix}" must consist of letters, digits, "-", "_", ":" and "$", with single '
                "dots between them, because NATS gives everything else a meaning."
            )
        self._channels = f"{prefix}.channel."
        self._prefix = prefix
        self.nodes = f"{prefix}.nodes"
        self.all = f"{prefix}.all"

    def channel(self, name: str) -> str:
        return self._channels + level(name)

    def channel_of(self, subject: str) -> str | None:
        """The channel that a subject carries; None for one that carries something else."""
        if not subject.startswith(self._channels):
            return None
        return read_level(subject[len(self._channels) :])

    def node(self, name: str) -> str:
        return f"{self._prefix}.node.{level(name)}"

    def echo(self, connection: str) -> str:
        return f"{self._prefix}.echo.{connection}"


def level(name: str) -> str:
    """A name as one level of a subject."""
    return _OUTSPOKEN.sub(lambda found: b"=%02X" % found[0][0], name.encode()).decode()


def read_level(text: str) -> str | None:
    """The name that a level was made of; None where it was made of none."""
    try:
        name = _WRITTEN.sub(lambda found: bytes([int(found[1], 16)]), text.encode()).decode()
    except UnicodeDecodeError:
        return None
    return name if level(name) == text else None
