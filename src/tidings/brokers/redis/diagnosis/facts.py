"""All that the judgement rests on, as values."""

from __future__ import annotations

from msgspec import Struct

from tidings.brokers.redis.address import Address


class Refusal(Struct, frozen=True):
    """A command that the server did not carry out. `kind` is the first word of its answer, `text` all of it."""

    command: str
    kind: str
    text: str


class Server(Struct, frozen=True, kw_only=True):
    """What one server says. Where `trouble` says why it could not be asked, there is nothing else."""

    name: str
    is_replica: bool = False
    """Whether it is expected to be one."""
    is_local: bool = False
    """Whether nobody between here and there can listen."""
    trouble: str = ""
    info: dict[str, str] = {}
    config: dict[str, str] | None = None
    """None where the server does not tell."""
    ahead: float = 0.0
    """Seconds by which its clock is ahead of this machine's."""
    doubt: float = 0.0
    """Seconds by which `ahead` may be wrong: half of the time that asking took."""
    refusals: tuple[Refusal, ...] = ()
    is_open: bool = False
    """Whether it lets somebody in who has no password."""
    cluster: dict[str, str] = {}
    """CLUSTER INFO."""

    @property
    def version(self) -> tuple[int, int]:
        """(0, 0) where it is not known."""
        major, _, rest = self.info.get("redis_version", "").partition(".")
        minor = rest.partition(".")[0]
        return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else (0, 0)

    def number(self, name: str) -> int:
        """A number of INFO, 0 where there is none."""
        text = self.info.get(name, "")
        return int(text) if text.isdecimal() else 0

    def setting(self, name: str) -> str | None:
        """A directive, None where it is not known."""
        return None if self.config is None else self.config.get(name)


class Sentinel(Struct, frozen=True, kw_only=True):
    """What one sentinel says about the service."""

    name: str
    trouble: str = ""
    master: str = ""
    """Where it says the master is, "" when it knows none."""
    quorum: str = ""
    """Why a failover could not be agreed upon, "" when it could."""


class Facts(Struct, frozen=True, kw_only=True):
    """What was found behind an address."""

    address: Address
    prefix: str = "tidings"
    servers: tuple[Server, ...] = ()
    sentinels: tuple[Sentinel, ...] = ()
    uncovered: tuple[tuple[int, int], ...] = ()
    """Of a cluster: first and last of slots that nobody has."""
    lonely: tuple[str, ...] = ()
    """Of a cluster: primaries without a replica."""
