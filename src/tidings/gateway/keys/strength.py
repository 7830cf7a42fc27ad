"""How hard a secret is to guess."""

from __future__ import annotations

import math

BYTES = 32
"""A key for HS256 has at least as many as its hash (RFC 7518, section 3.2)."""

BITS = 100
"""What its characters have to be worth, if they are drawn from no more than those that occur in it."""


def weakness(secret: str) -> str:
    """Why a secret is weak, as the end of a sentence that begins with its name; "" if nothing is to be said.

    A secret that somebody has thought up may be weak all the same. `tidings config init` draws one.
    """
    length = len(secret.encode())
    if length < BYTES:
        return f"has {length} bytes, and {BYTES} are the least for HS256"
    if len(secret) * math.log2(len(set(secret))) < BITS:
        return "repeats a few characters only"
    return ""
