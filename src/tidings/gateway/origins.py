"""Which web pages may connect.

A browser tells in the `Origin` header which page opens a connection (RFC 6454, section 7); the page cannot change it.
Clients that are no browsers send none, and are not held up. A page may connect when it comes from the host that it
connects to, or when one of the `allowed_origins` fits:

    *                          every page
    https://app.example.com    this one
    https://*.example.com      every host below example.com; not example.com itself, and no other port
    http://localhost:*         every port but the default one

`*` stands for any text and `?` for one character, neither for ":" or "/". Upper and lower case are the same, and a
scheme's default port may be written or left out.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

EVERYONE = "*"

# What a browser serialises (RFC 6454, section 6.2) and nothing more. With a user, a path or a fragment the host is not
# where a pattern would look for it: "https://good.example@evil.example", "https://evil.example#.good.example".
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_WILDCARDS = {"*": "[^:/]*", "?": "[^:/]"}


def is_allowed(origin: str | None, host: str | None, patterns: Collection[str]) -> bool:
    """Whether a page of `origin` may connect to `host`; both are the headers as they came, None where absent."""
    if not origin or EVERYONE in patterns:
        return True
    serialised = _serialised(origin)
    if serialised is None:
        return False
    return _is_own(serialised, host or "") or any(_compiled(pattern).fullmatch(serialised) for pattern in patterns)


def _serialised(origin: str) -> str | None:
    # ASCII first: lower() would turn other alphabets into it (the Kelvin sign becomes a "k").
    lowered = origin.lower() if origin.isascii() else ""
    return _without_default_port(lowered) if _ORIGIN.fullmatch(lowered) else None


def _is_own(origin: str, host: str) -> bool:
    scheme, _, authority = origin.partition("://")
    return scheme in _DEFAULT_PORTS and f"{scheme}://{authority}" == _without_default_port(f"{scheme}://{host.lower()}")


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    text = _without_default_port(pattern.lower())
    return re.compile("".join(_WILDCARDS.get(character) or re.escape(character) for character in text))


def _without_default_port(origin: str) -> str:
    scheme = origin.partition("://")[0]
    return origin.removesuffix(_DEFAULT_PORTS.get(scheme, ""))
