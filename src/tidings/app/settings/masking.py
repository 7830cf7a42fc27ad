"""Settings as they may be shown: without what only their owner may know.

Secrets are masked because their type says so. Here is what hides in plain texts, whichever setting they are of: what
stands before the host of a URL, and what follows its question mark, since both may be a password, a token or a key.
A setting that is new is masked as well, without having to be named here.
"""

from __future__ import annotations

import re
from typing import Any

MASK = "**********"

PLAIN = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "sentinel_username"})
"""The options of a broker's URL that are no secrets."""

_PASSWORD = re.compile(r"(?<=://)([^:/@]*):.*@")
# A single word in front of the host is a token for most; for Redis it is a user who has none.
_TOKEN = re.compile(r"^((?!redis)[a-z][a-z0-9+.-]*://)[^:/@]*@", re.IGNORECASE)


def shown(value: Any) -> Any:
    """A value, or whatever it consists of, with the secret parts of URLs masked."""
    match value:
        case str():
            return _url(value) if "://" in value else value
        case dict():
            return {name: shown(one) for name, one in value.items()}
        case tuple() | list():
            return type(value)(shown(one) for one in value)
    return value


def _url(text: str) -> str:
    text = _TOKEN.sub(rf"\1{MASK}@", _PASSWORD.sub(rf"\1:{MASK}@", text))
    address, mark, query = text.partition("?")
    return f"{address}{mark}{'&'.join(map(_option, query.split('&')))}" if query else text


def _option(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    if name in PLAIN:
        return pair
    return f"{name}={MASK}" if equals else MASK
