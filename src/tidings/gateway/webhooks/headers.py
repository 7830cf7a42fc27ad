"""The headers of a call: ours, the client's own where the settings list them, and never anything else.

Of a listed header the value of the client's HTTP request counts; only where it has none, the value that the client
wrote into its connect command (`headers`), which is how a browser can say something at all. Neither can add a header
that is not listed, and a value with control characters is left out whole. `X-Real-IP` and `X-Forwarded-For` are what
`trusted_proxies` makes of the client's address, whatever the client claims.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping

from tidings import traces
from tidings.version import __version__

ADDRESS = frozenset({"x-real-ip", "x-forwarded-for"})
"""What says where a client is."""

RESERVED = frozenset(
    {
        # Between two hops only (RFC 9110, section 7.6.1).
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        # Of our own request: its target, and how its body is to be read.
        "host",
        "content-length",
        "content-type",
        "content-encoding",
        "accept-encoding",
        "expect",
        # Where a client is, in a form that is not checked.
        "forwarded",
    }
)
"""What is never passed on."""

RESERVED_PREFIXES = ("sec-websocket-", "x-tidings-", ":")

SIGNATURE = "x-tidings-signature"

VALUE_LIMIT = 8192
"""Characters of a value that a client wrote into its connect command; HTTP servers take no longer ones either."""

Header = tuple[bytes, bytes]


def may_be_passed(name: str) -> bool:
    """Whether the settings may list a header."""
    name = name.lower()
    return name not in RESERVED and not name.startswith(RESERVED_PREFIXES)


def of_call(body: bytes, passed: Mapping[str, bytes], *, secret: str, now: float) -> list[Header]:
    """All headers of one call. This is the place for what every call has to carry."""
    headers = {
        "accept": b"application/json",
        "accept-encoding": b"identity",  # An answer that has to be unpacked could be a bomb.
        "user-agent": f"tidings/{__version__}".encode(),
        **passed,
        # Last, so that what the call belongs to wins over what a client has sent under this name.
        **{name: value.encode() for name, value in traces.outgoing_headers().items()},
        "content-type": b"application/json",
    }
    if secret:
        headers[SIGNATURE] = signature(secret, body, now).encode()
    return [(name.encode(), value) for name, value in headers.items()]


def passed_on(
    listed: Iterable[str], real: Mapping[str, str], emulated: Mapping[str, str], address: str
) -> dict[str, bytes]:
    """The listed headers of a client. `listed` and the keys of both mappings are in lower case."""
    passed = {}
    for name in listed:
        if name in ADDRESS:
            value = address.encode("latin-1", "ignore")
        elif name in real:
            value = real[name].encode("latin-1")
        else:
            value = emulated.get(name, "").encode()
        if value and _is_safe(value):
            passed[name] = value
    return passed


def emulated(listed: frozenset[str], written: Mapping[str, str]) -> dict[str, str]:
    """What is worth keeping of the headers in a connect command, by name in lower case."""
    kept: dict[str, str] = {}
    for name, value in written.items():
        lower = name.lower()
        if lower in listed and lower not in ADDRESS and len(value) <= VALUE_LIMIT and _is_sound(value):
            kept.setdefault(lower, value.strip(" \t"))
    return kept


def signature(secret: str, body: bytes, now: float) -> str:
    """`t=TIME,v1=HEX`: HMAC-SHA256 over the time in whole seconds, a full stop, and the body."""
    moment = str(int(now))
    signed = hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256)
    return f"t={moment},v1={signed.hexdigest()}"


def _is_safe(value: bytes) -> bool:
    """Without what could end a header (RFC 9110, section 5.5)."""
    return all(byte == 0x09 or 0x20 <= byte != 0x7F for byte in value)


def _is_sound(value: str) -> bool:
    try:
        return _is_safe(value.encode())
    except UnicodeEncodeError:  # half a surrogate pair
        return False
