"""What an address is: whose word on it is taken, and how much of it names somebody."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.types import Scope

EVERYBODY = "*"
IPV6_PREFIX = 64
"""What a customer gets at the least, so that a single machine has 2⁶⁴ addresses (RFC 6177)."""

_MAPPED = ip_network("::ffff:0:0/96")
_CACHED = 4096
_LENGTH_LIMIT = 64
"""No address is longer, with a zone and a port."""


def network(address: str) -> str:
    """What stands for an address in a limit: an IPv4 address itself, of an IPv6 address its network of 64 bits.

    An IPv4 address that is written as one of IPv6 (::ffff:192.0.2.1) is the IPv4 address. What is no address stands for
    itself.
    """
    return _network(address) if len(address) <= _LENGTH_LIMIT else address[:_LENGTH_LIMIT]


class TrustedProxies:
    """Whose word on the client's address is taken: addresses, networks, or "*" for everybody's.

    Each proxy appends whom it was called by to `X-Forwarded-For`. So from the end, the first that is none of ours is
    the client, and what stands before it is only what the client says.

    Raises `ValueError` for what is neither an address nor a network.
    """

    def __init__(self, trusted: Iterable[str]) -> None:
        trusted = tuple(trusted)
        self._all = EVERYBODY in trusted
        self._networks = [_trusted(entry) for entry in trusted if entry != EVERYBODY]
        self._trusts = lru_cache(_CACHED)(self._find)

    @property
    def entries(self) -> list[str]:
        """The same as others understand it: with every IPv4 network as a socket for both families tells of it, too."""
        if self._all:
            return [EVERYBODY]
        mapped = [_as_ipv6(entry) for entry in self._networks if isinstance(entry, IPv4Network)]
        return [str(entry) for entry in (*self._networks, *mapped)]

    def seen_through(self, scope: Scope) -> Scope:
        """The request as the client has made it: `client` is who the trusted proxies say."""
        client = scope.get("client")
        if not client or not self.trusts(client[0]):
            return scope
        said = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        if not said:
            return scope
        host = self._client([entry.strip() for entry in b",".join(said).decode("latin-1").split(",")])
        # The port is the proxy's, and says nothing about the client.
        return {**scope, "client": (host, 0)} if host else scope

    def trusts(self, address: str) -> bool:
        return self._all or (len(address) <= _LENGTH_LIMIT and self._trusts(address))

    def _client(self, chain: list[str]) -> str:
        if not self._all:
            for entry in reversed(chain):
                host = _without_port(entry)
                if not self._trusts_entry(host):
                    return host
        return _without_port(chain[0])

    def _trusts_entry(self, host: str) -> bool:
        return len(host) <= _LENGTH_LIMIT and self._trusts(host)

    def _find(self, address: str) -> bool:
        try:
            found = _plain(ip_address(address))
        except ValueError:
            return False
        return any(found in trusted for trusted in self._networks)


@lru_cache(_CACHED)
def _network(address: str) -> str:
    try:
        found = _plain(ip_address(address.partition("%")[0]))
    except ValueError:
        return address
    if isinstance(found, IPv4Address):
        return str(found)
    return str(ip_network((found, IPV6_PREFIX), strict=False))


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An IPv4 address as such, also where a socket for both families has written it as one of IPv6."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def _trusted(entry: str) -> IPv4Network | IPv6Network:
    found = ip_network(entry)
    if isinstance(found, IPv6Network) and found.subnet_of(_MAPPED):  # type: ignore[arg-type]
        mapped = found.network_address.ipv4_mapped
        assert mapped is not None
        return ip_network((mapped, found.prefixlen - 96))
    return found


def _as_ipv6(trusted: IPv4Network) -> IPv6Network:
    return IPv6Network(f"::ffff:{trusted.network_address}/{trusted.prefixlen + 96}")


def _without_port(entry: str) -> str:
    """The host of "192.0.2.1", "192.0.2.1:80", "2001:db8::1" and "[2001:db8::1]:80"."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    host, colon, port = entry.partition(":")
    return host if colon and port.isdecimal() else entry
