"""Where NATS is, and how to introduce oneself: what a broker's URL says.

    nats://[user:password@]host[:port][,host[:port]…]    one server, or some of a cluster
    nats://TOKEN@host[:port]                             with a token in place of a user
    tls://…                                              the same over TLS, and never without

The credentials stand before one host or before each, and are the same for all of them. Each host may have its own
`nats://` as well, as other clients of NATS write it. After a `?` come options for TLS, as a broker on
Redis has them: `ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile` (paths) and `ssl_cert_reqs=none`.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote

from msgspec import Struct

from tidings.brokers.endpoints import TLS_OPTIONS, Endpoint, Tls, named, parse_endpoint, parse_tls, require_known
from tidings.errors import SettingsError

PORT = 4222
SCHEMES = ("nats", "tls")


class Credentials(Struct, frozen=True):
    """Who to be: a user with a password, or whoever has the token, or nobody in particular."""

    user: str = ""
    password: str = ""
    token: str = ""

    def __repr__(self) -> str:
        return f"<Credentials of {self.user or ('the bearer of a token' if self.token else 'nobody')}>"


class Address(Struct, frozen=True):
    """A URL, taken apart. Without `tls` a server that asks for TLS gets it all the same."""

    endpoints: tuple[Endpoint, ...]
    credentials: Credentials = Credentials()
    tls: Tls | None = None

    def __str__(self) -> str:
        """Without secrets."""
        return f"{'tls' if self.tls else 'nats'}://{','.join(map(named, self.endpoints))}"


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
    options = dict(parse_qsl(query, keep_blank_values=True))
    require_known(options, TLS_OPTIONS)
    return Address(
        tuple(parse_endpoint(part.rpartition("@")[2], ("nats://localhost", PORT)) for part in parts),
        _credentials(credentials.pop() if credentials else ""),
        parse_tls(options, "tls://", is_encrypted=scheme == "tls"),
    )


def _credentials(text: str) -> Credentials:
    user, colon, password = text.partition(":")
    if not colon:
        return Credentials(token=unquote(user))
    return Credentials(unquote(user), unquote(password))
