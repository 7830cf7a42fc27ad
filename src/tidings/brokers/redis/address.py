"""Where a Redis is, and how to introduce oneself: what a broker's URL says.

    redis://[user:password@]host[:port][/database]            one server
    rediss://…                                                the same over TLS
    redis+sentinel://h1[:port],h2[:port]/SERVICE[/database]   whichever server the sentinels call the master
    redis+cluster://h1[:port],h2[:port]                       a cluster; the hosts are where to ask for the others

`rediss+sentinel://` and `rediss+cluster://` speak TLS. After a `?` come options, by the names that redis-py gives them:
`ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile` (paths), `ssl_cert_reqs=none`, and for sentinels with a password of their
own `sentinel_username` and `sentinel_password`.
"""

from __future__ import annotations

from enum import Enum
from urllib.parse import parse_qsl, unquote

from msgspec import Struct

from tidings.brokers.endpoints import TLS_OPTIONS, Endpoint, Tls, named, parse_endpoint, parse_tls, require_known
from tidings.errors import SettingsError

PORT = 6379
SENTINEL_PORT = 26379

KNOWN = (*TLS_OPTIONS, "sentinel_username", "sentinel_password")
"""What may be said after the question mark."""


class Deployment(Enum):
    """How the servers behind an address hang together."""

    STANDALONE = "standalone"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


SCHEMES = {
    "redis": (Deployment.STANDALONE, False),
    "rediss": (Deployment.STANDALONE, True),
    "redis+sentinel": (Deployment.SENTINEL, False),
    "rediss+sentinel": (Deployment.SENTINEL, True),
    "redis+cluster": (Deployment.CLUSTER, False),
    "rediss+cluster": (Deployment.CLUSTER, True),
}


class Credentials(Struct, frozen=True):
    """Who to be. Without a password nobody in particular."""

    username: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"<Credentials of {self.username or 'nobody'}>"


class Address(Struct, frozen=True):
    """A URL, taken apart. `service` is what the sentinels call it."""

    deployment: Deployment
    endpoints: tuple[Endpoint, ...]
    credentials: Credentials = Credentials()
    sentinel_credentials: Credentials = Credentials()
    service: str = ""
    database: int = 0
    tls: Tls | None = None

    def __str__(self) -> str:
        """Without secrets."""
        where = ",".join(named(endpoint) for endpoint in self.endpoints)
        scheme = next(name for name, kind in SCHEMES.items() if kind == (self.deployment, self.tls is not None))
        path = [self.service] if self.service else []
        path += [str(self.database)] if self.database else []
        return "/".join([f"{scheme}://{where}", *path])


def parse(url: str) -> Address:
    """Raises `SettingsError` with a sentence that says what to change."""
    scheme, _, rest = url.partition("://")
    if scheme not in SCHEMES:
        raise SettingsError(f'[broker] url = "{scheme}://…" is no Redis; its schemes are {", ".join(SCHEMES)}.')
    deployment, is_encrypted = SCHEMES[scheme]
    rest, _, query = rest.partition("?")
    authority, _, path = rest.partition("/")
    credentials, _, hosts = authority.rpartition("@")
    options = dict(parse_qsl(query, keep_blank_values=True))
    require_known(options, KNOWN if deployment is Deployment.SENTINEL else TLS_OPTIONS)
    if deployment is Deployment.STANDALONE and "," in hosts:
        raise SettingsError(
            "[broker] url: redis:// is one server; several are redis+sentinel://h1,h2/SERVICE or redis+cluster://h1,h2."
        )
    if "@" in path:
        raise SettingsError("[broker] url: write @ as %40 and / as %2F in a user or password.")
    service, database = _path(deployment, path)
    return Address(
        deployment,
        _endpoints(hosts, SENTINEL_PORT if deployment is Deployment.SENTINEL else PORT),
        _credentials(credentials),
        Credentials(options.pop("sentinel_username", ""), options.pop("sentinel_password", "")),
        service,
        database,
        parse_tls(options, "rediss://", is_encrypted=is_encrypted),
    )


def _endpoints(hosts: str, default_port: int) -> tuple[Endpoint, ...]:
    return tuple(parse_endpoint(host, ("redis://localhost", default_port)) for host in hosts.split(","))


def _credentials(text: str) -> Credentials:
    username, _, password = text.partition(":")
    return Credentials(unquote(username), unquote(password))


def _path(deployment: Deployment, path: str) -> tuple[str, int]:
    """The service and the database that the part after the hosts names."""
    parts = [unquote(part) for part in path.split("/") if part]
    service = ""
    if deployment is Deployment.SENTINEL:
        if not parts:
            raise SettingsError("[broker] url: after the sentinels comes the service, redis+sentinel://host/mymaster.")
        service = parts.pop(0)
    if not parts:
        return service, 0
    if len(parts) > 1 or not parts[0].isdecimal():
        raise SettingsError(f'[broker] url: "/{path}" is not the number of a database.')
    if deployment is Deployment.CLUSTER and parts[0] != "0":
        raise SettingsError("[broker] url: a cluster has only the database 0.")
    return service, int(parts[0])
