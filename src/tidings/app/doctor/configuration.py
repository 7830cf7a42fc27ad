"""What the settings themselves say, pure: who gets in, and how safe the secrets are."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from pydantic import SecretStr

from tidings.app.doctor import strength
from tidings.app.settings import Settings
from tidings.app.settings.complaints import heading
from tidings.app.settings.fields import Section
from tidings.app.settings.layers import Place
from tidings.findings import Finding, Judging, Level
from tidings.gateway.origins import EVERYONE

WHERE = "settings"
PROXY_PATIENCE = 60.0
"""Seconds after which proxies commonly cut a connection on which nothing was said."""
HMAC_BYTES = 32
"""RFC 7518, section 3.2: a key for HS256 is at least as long as its hash."""


def judge(settings: Settings) -> Iterator[Finding]:
    """All findings about the settings alone."""
    for part in (_tokens, _api, _secrets, _openness, _origins, _encryption, _internal, _proxies, _pings):
        for level, subject, text in part(settings):
            yield Finding(level, WHERE, subject, text)


def _tokens(settings: Settings) -> Judging:
    if not settings.lets_somebody_in:
        yield (
            Level.WARNING,
            "tokens",
            "there is no key in [auth], so that nobody can connect. `tidings config init` makes one.",
        )


def _api(settings: Settings) -> Judging:
    if settings.api.insecure:
        yield _risk(settings), "API", "[api] insecure is on: everybody may publish. Set a key and switch it off."
    elif not settings.api.secret:
        yield (
            Level.WARNING,
            "API",
            "there is no [api] key, so that back ends cannot publish over HTTP. `tidings config init` makes one.",
        )


def _secrets(settings: Settings) -> Judging:
    secrets, signing = dict(_given(settings)), dict(_signing(settings))
    for name, secret in (secrets | signing).items():
        bits = strength.bits(secret)
        if bits < strength.WEAK:
            yield Level.PROBLEM, "secrets", f"{name} can be guessed. {_fresh(name)}"
        elif bits < strength.STRONG:
            yield Level.WARNING, "secrets", f"{name} is short: at most {bits:.0f} bits. {_fresh(name)}"
        elif "hmac" in name and len(secret.encode()) < HMAC_BYTES:
            yield (
                Level.WARNING,
                "secrets",
                f"{name} has {len(secret.encode())} bytes; HS256 asks for {HMAC_BYTES} (RFC 7518). {_fresh(name)}",
            )
        else:
            yield Level.OK, "secrets", f"{name} is long enough."
    # Endpoints of one back end may well share what their calls are signed with.
    apart = [*secrets.values(), *set(signing.values())]
    if len(set(apart)) < len(apart):
        yield (
            Level.PROBLEM,
            "secrets",
            f"{', '.join(secrets | signing)} are not all different: whoever knows one knows another. "
            "Give each its own.",
        )


def _given(settings: Settings) -> Iterator[tuple[str, str]]:
    auth = settings.auth
    tables: list[tuple[Place, Section]] = [(("api",), settings.api)]
    tables += [*auth.signers("auth"), *auth.subscription.signers("auth.subscription")]
    for place, table in tables:
        for key, value in table:
            if isinstance(value, SecretStr) and value.get_secret_value():
                yield f"{heading(place)} {key}", value.get_secret_value()


def _signing(settings: Settings) -> Iterator[tuple[str, str]]:
    """What calls of endpoints are signed with."""
    for event, proxy in settings.proxy:
        if secret := proxy.secret.get_secret_value():
            yield f"{heading(('proxy', event))} secret", secret


def _fresh(name: str) -> str:
    length = HMAC_BYTES if "hmac" in name else 24
    return f"A good one: python3 -c 'import secrets; print(secrets.token_urlsafe({length}))'"


def _openness(settings: Settings) -> Judging:
    client = settings.client
    if client.insecure:
        yield (
            _risk(settings),
            "permissions",
            "[client] insecure is on: everybody may do everything. Switch it off, and allow per namespace.",
        )
    elif client.anonymous:
        yield Level.OK, "permissions", "[client] anonymous is on: clients may connect without a token."


def _origins(settings: Settings) -> Judging:
    origins = settings.client.allowed_origins
    if EVERYONE in origins:
        yield (
            Level.WARNING,
            "origins",
            '[client] allowed_origins has "*": every web page may connect its visitors. Name your own pages.',
        )
    elif origins:
        yield Level.OK, "origins", f"pages of {', '.join(origins)} may connect, and those of the server's own host."
    else:
        yield Level.OK, "origins", "only pages of the server's own host may connect."


def _encryption(settings: Settings) -> Judging:
    server = settings.server
    if server.tls_certificate or is_loopback(server.host):
        return
    yield (
        Level.WARNING,
        "TLS",
        f"host = {server.host} is reached from other machines without TLS: tokens can be read on the way. Set "
        "tls_certificate and tls_key, or listen on 127.0.0.1 behind a proxy that has them.",
    )


def _internal(settings: Settings) -> Judging:
    server = settings.server
    host, _ = server.internal_address
    if server.is_divided and not is_loopback(host):
        yield (
            Level.WARNING,
            "internal address",
            f"internal_host = {host} is reached from other machines without TLS: the API key can be read on the way. "
            "Keep it on a network that you trust, or on 127.0.0.1 behind a proxy that has TLS.",
        )


def _proxies(settings: Settings) -> Judging:
    trusted = settings.server.trusted_proxies
    if any(_is_everybody(one) for one in trusted):
        yield (
            Level.PROBLEM,
            "proxies",
            "[server] trusted_proxies trusts everybody, so that clients choose their own address (X-Forwarded-For). "
            "Name the addresses of your proxies.",
        )


def _is_everybody(trusted: str) -> bool:
    return trusted == "*" or trusted.endswith("/0")


def _pings(settings: Settings) -> Judging:
    interval = settings.client.ping_interval
    if not interval:
        yield (
            Level.WARNING,
            "pings",
            "[client] ping_interval is 0: clients that vanished are noticed only when the system gives up, after "
            "minutes or hours. 25 is usual.",
        )
    elif interval >= PROXY_PATIENCE:
        yield (
            Level.WARNING,
            "pings",
            f"[client] ping_interval is {interval:g} s; many proxies cut what was silent for {PROXY_PATIENCE:g} s. "
            "Stay below that.",
        )


def _risk(settings: Settings) -> Level:
    """How bad it is that everybody may: on this machine alone it may be meant."""
    return Level.WARNING if is_loopback(settings.server.host) else Level.PROBLEM


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
