"""How often something may happen: so many times within so many seconds, whenever those begin."""

from __future__ import annotations

import re

from msgspec import Struct

AMOUNT_LIMIT = 100_000
"""Each of them is remembered until its window is over, in eight bytes."""

SECONDS_LIMIT = 86_400
"""A day. Nothing is remembered over a restart, so longer windows would promise what they do not keep."""

_UNITS = {"s": 1, "m": 60, "h": 3600}
_FORM = re.compile(r"(\d{1,9})/(\d{0,9})([smh])", re.ASCII)


class Rate(Struct, frozen=True):
    """At most `amount` within any `seconds`."""

    amount: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.amount}/{self.seconds:g}s"

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Read "20/10s", "100/s" or "5/1m".

        Raises `ValueError` for anything else, with what it must do instead.
        """
        found = _FORM.fullmatch(text.strip())
        if found is None:
            raise ValueError('be a number, a slash and a time in s, m or h, such as "20/10s"')
        amount, seconds = int(found[1]), int(found[2] or 1) * _UNITS[found[3]]
        if not 1 <= amount <= AMOUNT_LIMIT:
            raise ValueError(f"allow from 1 to {AMOUNT_LIMIT:,} at a time")
        if not 1 <= seconds <= SECONDS_LIMIT:
            raise ValueError("be about a time from 1s to 24h")
        return cls(amount, float(seconds))
