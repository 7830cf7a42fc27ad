"""Where NATS is, and how to introduce oneself: what a broker's URL says.

    nats://[user:password@]host[:port][,host[:port]…]    one server, or some of a cluster
    nats://TOKEN@host[:port]                             with a token in place of a user
    tls://…                                              the same over TLS, and never without

The credentials stand before one host or before each, and are the same for all of them. Each host may have its own
`nats://` as well, as other clients of NATS write it. After a `?` come options for TLS, as a broker on
Redis has them: `ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile` (paths) and `ssl_cert_reqs=none`.
"""

from __future__ import annotations

import ssl
from urllib.parse import parse_qsl, unquote

from msgspec import Struct

from tidings.errors import SettingsError

PORT = 4222
SCHEMES = ("nats", "tls")
OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs")

Endpoint = tuple[str, int]
"""A host and a port."""


class Credentials(Struct, frozen=True):
    """Who to be: a user with a password, or whoever has the token, or nobody in particular."""

    user: str = ""
    password: str = ""
    token: str = ""

    def __repr__(self) -> str:
        return f"<Credentials of {self.user or ('the bearer of a token' if self.token else 'nobody')}>"


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
    """A URL, taken apart. Without `tls` a server that asks for TLS gets it all the same."""

    endpoints: tuple[Endpoint, ...]
    credentials: Credentials = Credentials()
    tls: Tls | None = None

    def __str__(self) -> str:
        """Without secrets."""
        return f"{'tls' if self.tls else 'nats'}://{','.join(map(named, self.endpoints))}"


def named(endpoint: Endpoint) -> str:
    """An endpoint as people write it."""
    host, port = endpoint
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse(url: str) -> Address:
    """Raises `SettingsError` with a sentence that says what to change."""
    scheme, _, rest = url.partition("://")
    if scheme not in SCHEMES:
        raise SettingsError(f'[broker] url = "{scheme}://…" is no NATS; its schemes are nats and tls.')
    rest, _, query = rest.partition("?")
    parts = [part.removeprefix(f"{scheme}://").removesuffix("/") for part in rest.split(",")]
    if any("/" in part for part in parts):
        raise SettingsError("[broker] url: NATS has no databases; nothing follows after the hosts.")
    credentials = {part.rpartition("@")[0] for part in parts} - {""}
    if len(credentials) > 1:
        raise SettingsError("[broker] url: the hosts have different credentials; a node has one, the same for all.")
    return Address(
        tuple(_endpoint(part.rpartition("@")[2]) for part in parts),
        _credentials(credentials.pop() if credentials else ""),
        _tls(query, is_encrypted=scheme == "tls"),
    )


def _endpoint(text: str) -> Endpoint:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(PORT)
    if not host:
        raise SettingsError("[broker] url: a host is missing, such as nats://localhost:4222.")
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise SettingsError(f'[broker] url: "{port}" is no port; a host is followed by a number from 1 to 65535.')
    return host.strip("[]"), int(port)


def _credentials(text: str) -> Credentials:
    user, colon, password = text.partition(":")
    if not colon:
        return Credentials(token=unquote(user))
    return Credentials(unquote(user), unquote(password))


def _tls(query: str, *, is_encrypted: bool) -> Tls | None:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in OPTIONS:
            raise SettingsError(f'[broker] url: the option "{name}" is not known; there are {", ".join(OPTIONS)}.')
    if not is_encrypted:
        if options:
            raise SettingsError(f"[broker] url: {next(iter(options))} needs tls://, which speaks TLS.")
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
