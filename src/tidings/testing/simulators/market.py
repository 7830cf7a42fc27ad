"""Market patterns: a program looks at prices, and tells of each pattern that it recognises.

What is drawn from where: alerts come independently, `rate` a second, so that gaps are exponential. Of the symbols the
first has twice as many alerts as the second, and so on (Zipf). Each symbol's price is a geometric random walk without
drift, whose deviation grows with the square root of the time that has passed: `VOLATILITY` in a year of trading.
Confidence is at least `FLOOR`, and high values are likelier than low ones: mean 0.83. A pattern says by itself whether
it points up, down or nowhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from enum import Enum

import msgspec

from tidings.testing.load.draws import Draws, Weighted, positive
from tidings.testing.simulators.timeline import Planned, plan

SYMBOLS = ("AAPL", "NVDA", "MSFT", "TSLA", "AMZN", "GOOGL", "META", "AMD", "NFLX", "INTC")
VOLATILITY = 0.3
TRADING_YEAR = 252 * 6.5 * 3600
"""Seconds in which exchanges are open."""
FLOOR = 0.5


class Direction(Enum):
    """Where the price is expected to go."""

    BULLISH = "bullish"
    BEARISH = "bearish"
    NEUTRAL = "neutral"


PATTERNS = {
    "Doji": Direction.NEUTRAL,
    "Hammer": Direction.BULLISH,
    "Shooting Star": Direction.BEARISH,
    "Bullish Engulfing": Direction.BULLISH,
    "Bearish Engulfing": Direction.BEARISH,
    "Morning Star": Direction.BULLISH,
    "Evening Star": Direction.BEARISH,
    "Bull Flag": Direction.BULLISH,
    "Double Bottom": Direction.BULLISH,
    "Head and Shoulders": Direction.BEARISH,
    "Symmetrical Triangle": Direction.NEUTRAL,
}


class PatternAlert(msgspec.Struct, frozen=True, kw_only=True, tag="pattern_alert"):
    """A pattern was recognised in a symbol's prices. `number` counts the alerts of a market from 1."""

    number: int
    symbol: str
    pattern: str
    direction: Direction
    confidence: float
    price: float


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """An endless sequence of `rate` pattern alerts a second on average, in `channel`."""

    seed: int
    rate: float = 20.0
    symbols: tuple[str, ...] = SYMBOLS
    channel: str = "patterns"

    def __post_init__(self) -> None:
        positive(rate=self.rate, symbols=len(self.symbols))

    def events(self) -> Iterator[Planned[PatternAlert]]:
        """The alerts, from the beginning each time."""
        draws, symbols = Draws(self.seed, "market"), Weighted.by_rank(self.symbols)
        prices = {symbol: Price(Draws(self.seed, "price", symbol)) for symbol in self.symbols}
        patterns, at, number = tuple(PATTERNS), 0.0, 0
        while True:
            at, number = at + draws.gap(self.rate), number + 1
            symbol, pattern = symbols.draw(draws), draws.one_of(patterns)
            alert = PatternAlert(
                number=number,
                symbol=symbol,
                pattern=pattern,
                direction=PATTERNS[pattern],
                confidence=confidence(draws),
                price=prices[symbol].move_to(at),
            )
            yield plan(at, self.channel, alert)


class Price:
    """What one symbol costs: between 20 and 500 at first, each order of magnitude as likely."""

    def __init__(self, draws: Draws) -> None:
        self._draws = draws
        self._at = 0.0
        self._logarithm = draws.between(math.log(20.0), math.log(500.0))

    def move_to(self, at: float) -> float:
        """The price at a later time, in cents as exchanges quote it."""
        deviation = VOLATILITY * math.sqrt((at - self._at) / TRADING_YEAR)
        self._logarithm += self._draws.normal(-(deviation**2) / 2, deviation)
        self._at = at
        return max(round(math.exp(self._logarithm), 2), 0.01)


def confidence(draws: Draws) -> float:
    """The larger of two draws, so that twice the value is twice as likely."""
    return round(FLOOR + (1.0 - FLOOR) * max(draws.fraction(), draws.fraction()), 3)
