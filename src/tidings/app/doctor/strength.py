"""How hard a secret is to guess.

Nobody can tell from a text how it was made. What can be told is an upper bound: a text of n characters out of an
alphabet of k has at most n · log2(k) bits, and fewer when characters repeat. Words that everybody tries first have
none.
"""

from __future__ import annotations

import math
import string
from collections import Counter

WEAK, STRONG = 64.0, 128.0
"""Bits below which a secret can be found by trying, and from which nobody will."""

ALPHABETS = (string.ascii_lowercase, string.ascii_uppercase, string.digits, string.punctuation + " ")
FOREIGN = 64
"""How many characters an alphabet is taken to have that is none of these."""

TRIED_FIRST = ("secret", "password", "passwort", "changeme", "change-me", "test", "demo", "example", "tidings", "admin")
FILLER = 0.5
"""How much of a text may be such words before the text is one."""


def bits(secret: str) -> float:
    """At most so many bits of guessing."""
    if not secret or _is_tried_first(secret):
        return 0.0
    known = [alphabet for alphabet in ALPHABETS if set(alphabet) & set(secret)]
    size = sum(map(len, known)) + (FOREIGN if set(secret) - set("".join(ALPHABETS)) else 0)
    return len(secret) * min(math.log2(size), _variety(secret))


def _variety(secret: str) -> float:
    """Bits for each character that the text itself shows (Shannon's entropy), with credit for being short.

    A random text of n characters shows at most log2(n) bits for each, so that a short one would be blamed for its
    length twice; one that repeats itself shows less than half of that.
    """
    counts, length = Counter(secret), len(secret)
    shown = -sum(count / length * math.log2(count / length) for count in counts.values())
    most = math.log2(length) if length > 1 else 1.0
    return math.inf if shown > most / 2 else shown


def _is_tried_first(secret: str) -> bool:
    text = secret.lower()
    covered = sum(len(word) * text.count(word) for word in TRIED_FIRST)
    return covered > FILLER * len(text)
