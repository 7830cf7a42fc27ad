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

import ssl
from enum import Enum
from urllib.parse import parse_qsl, unquote

from msgspec import Struct

from tidings.errors import SettingsError

PORT = 6379
SENTINEL_PORT = 26379

KNOWN = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "sentinel_username", "sentinel_password")
"""What may be said after the question mark."""

Endpoint = tuple[str, int]
"""A host and a port."""


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


class Tls(Struct, frozen=True):
    """What to prove, and what proof to ask for. Paths, "" for none."""

    ca_certificates: str = ""
    certificate: str = ""
    key: str = ""
    verify: bool = True

    def context(self) -> ssl.SSLContext:
        """Raises `SettingsError` for files that cannot be used."""
        try:
            context = ssl.create_default_context(cafile=self.ca_certificates or None)
            if self.certificate:
                context.load_cert_chain(self.certificate, self.key or None)
        except OSError as error:
            raise SettingsError(f"[broker] url: the certificates that it names cannot be used: {error}.") from error
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


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


def named(endpoint: Endpoint) -> str:
    """An endpoint as people write it."""
    host, port = endpoint
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse(url: str) -> Address:
    """Raises `SettingsError` with a sentence that says what to change."""
    scheme, _, rest = url.partition("://")
    if scheme not in SCHEMES:
        raise SettingsError(f'[broker] url = "{scheme}://…" is no Redis; its schemes are {", ".join(SCHEMES)}.')
    deployment, is_encrypted = SCHEMES[scheme]
    rest, _, query = rest.partition("?")
    authority, _, path = rest.partition("/")
    credentials, _, hosts = authority.rpartition("@")
    options = _options(query)
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
        _tls(options, is_encrypted=is_encrypted),
    )


def _endpoints(hosts: str, default_port: int) -> tuple[Endpoint, ...]:
    return tuple(_endpoint(host, default_port) for host in hosts.split(","))


def _endpoint(text: str, default_port: int) -> Endpoint:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(default_port)
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise SettingsError(f'[broker] url: "{port}" is no port; a host is followed by a number from 1 to 65535.')
    return _host(host.strip("[]")), int(port)


def _host(text: str) -> str:
    try:
        text.encode("idna")
    except UnicodeError:
        raise SettingsError(f'[broker] url: "{text}" cannot be the name of a host.') from None
    if not text:
        raise SettingsError("[broker] url: a host is missing, such as redis://localhost:6379.")
    return text


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


def _options(query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in KNOWN:
            raise SettingsError(f'[broker] url: the option "{name}" is not known; there are {", ".join(KNOWN)}.')
    return options


def _tls(options: dict[str, str], *, is_encrypted: bool) -> Tls | None:
    if not is_encrypted:
        if options:
            raise SettingsError(f"[broker] url: {next(iter(options))} needs rediss://, which speaks TLS.")
        return None
    requirement = options.get("ssl_cert_reqs", "required")
    if requirement not in ("required", "none"):
        raise SettingsError('[broker] url: ssl_cert_reqs is "required" or "none".')
    return Tls(
        options.get("ssl_ca_certs", ""),
        options.get("ssl_certfile", ""),
        options.get("ssl_keyfile", ""),
        requirement == "required",
    )
