"""Windows for many: one for each address, user or whatever else is named.

Memory is bounded twice, in how many are known and in all that is remembered of them. Who has been idle for a window is
forgotten, which changes nothing. Where that is not enough, who has been admitted longest ago is forgotten, and begins
anew. So an attacker with a million addresses gains no more than a million addresses give anyway, fills no memory, and
locks nobody out. It is counted all the same: from then on the limit holds for fewer than it should.
"""

from __future__ import annotations

from collections.abc import Callable

from tidings.gateway.admission.rate import AMOUNT_LIMIT, Rate
from tidings.gateway.admission.window import Window

KEY_LIMIT = 65_536
STAMP_LIMIT = 2_000_000
"""How many are known, and how many moments are remembered of all of them together, in eight bytes each."""

_SWEPT = 2
"""How many idle ones are looked for with each one that is new: more than one, so that they become fewer."""


class Limiter:
    """Holds everybody to the same rate. `on_forgotten` is called for each that was forgotten before its time."""

    def __init__(
        self,
        rate: Rate,
        *,
        key_limit: int = KEY_LIMIT,
        stamp_limit: int = STAMP_LIMIT,
        on_forgotten: Callable[[], None] = lambda: None,
    ) -> None:
        assert stamp_limit >= rate.amount <= AMOUNT_LIMIT
        self.rate = rate
        self._key_limit = key_limit
        self._stamp_limit = stamp_limit
        self._on_forgotten = on_forgotten
        self._windows: dict[str, Window] = {}
        """In the order in which they were last admitted."""
        self._stamps = 0

    def __len__(self) -> int:
        """How many are known."""
        return len(self._windows)

    def __repr__(self) -> str:
        return f"<Limiter {self.rate}: {len(self)} known, {self._stamps} remembered>"

    def hit(self, key: str, now: float) -> bool:
        """Count one more if there is room, and say whether there was."""
        rate, windows = self.rate, self._windows
        window = windows.get(key)
        if window is None:
            self._sweep(now)
            window = windows[key] = Window()
        elif window.has_room(rate, now):
            # To the end of the order.
            del windows[key]
            windows[key] = window
        else:
            return False
        before = len(window)
        window.add(rate, now)
        if len(window) > before:
            self._stamps += 1
            if self._stamps > self._stamp_limit or len(windows) > self._key_limit:
                self._make_room(now)
        return True

    def has_room(self, key: str, now: float) -> bool:
        """Whether one more is allowed now. Counts nothing."""
        window = self._windows.get(key)
        return window is None or window.has_room(self.rate, now)

    def wait(self, key: str, now: float) -> float:
        """Seconds until there is room for one more."""
        window = self._windows.get(key)
        return 0.0 if window is None else window.wait(self.rate, now)

    def remaining(self, key: str, now: float) -> int:
        """How many more are allowed now."""
        window = self._windows.get(key)
        return self.rate.amount if window is None else window.remaining(self.rate, now)

    def reset(self, key: str, now: float) -> float:
        """Seconds until more is allowed than now; 0 where everything is."""
        window = self._windows.get(key)
        return 0.0 if window is None else window.reset(self.rate, now)

    def _sweep(self, now: float) -> None:
        """Forget some of those who are idle."""
        for _ in range(min(_SWEPT, len(self._windows))):
            key = next(iter(self._windows))
            if not self._windows[key].is_idle(self.rate, now):
                return
            self._forget(key)

    def _make_room(self, now: float) -> None:
        while self._stamps > self._stamp_limit or len(self._windows) > self._key_limit:
            key = next(iter(self._windows))
            if not self._windows[key].is_idle(self.rate, now):
                self._on_forgotten()
            self._forget(key)

    def _forget(self, key: str) -> None:
        self._stamps -= len(self._windows.pop(key))
