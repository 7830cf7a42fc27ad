"""Who may use the HTTP API: whoever has its key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hmac import compare_digest
from urllib.parse import parse_qsl

from starlette.types import Scope


class Gate:
    """Knows the key, which is UTF-8 on the wire. Without a key nobody is let in, unless the gate is `insecure`.

    A key that may change is given as a function that returns the present one.
    """

    def __init__(self, key: str | Callable[[], str], *, insecure: bool) -> None:
        self._key = key if callable(key) else lambda: key
        self._insecure = insecure

    def admits(self, scope: Scope) -> bool:
        if self._insecure:
            return True
        key = self._key().encode()
        # The time that this takes says nothing of how much of a wrong key is right.
        return bool(key) and any(compare_digest(given, key) for given in _keys(scope))


def _keys(scope: Scope) -> Iterator[bytes]:
    """The keys that came with a request, in all three places."""
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            yield value
        elif name == b"authorization":
            # Schemes are case-insensitive (RFC 9110, section 11.1).
            scheme, _, key = value.partition(b" ")
            if scheme.lower() == b"apikey":
                yield key.strip()
    # latin-1 is every byte as it is; the key may be any.
    for name, value in parse_qsl(scope["query_string"].decode("latin-1"), encoding="latin-1"):
        if name == "api_key":
            yield value.encode("latin-1")
