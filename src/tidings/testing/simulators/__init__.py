"""Simulators: events as a system would have them, the same for the same seed, and played at their times."""

from tidings.testing.simulators.backtest import BacktestProgress, BacktestResult, Backtests
from tidings.testing.simulators.game import Game
from tidings.testing.simulators.health import Health, HealthUpdate
from tidings.testing.simulators.market import Market, PatternAlert
from tidings.testing.simulators.music import Music, Play, Recommendation, Recommended
from tidings.testing.simulators.person import Act, DeviceEvent, Person
from tidings.testing.simulators.timeline import Planned, merge, paced, play, within

__all__ = [
    "Act",
    "BacktestProgress",
    "BacktestResult",
    "Backtests",
    "DeviceEvent",
    "Game",
    "Health",
    "HealthUpdate",
    "Market",
    "Music",
    "PatternAlert",
    "Person",
    "Planned",
    "Play",
    "Recommendation",
    "Recommended",
    "merge",
    "paced",
    "play",
    "within",
]
