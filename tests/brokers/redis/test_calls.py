"""What a script is told of a first attempt whose outcome is unknown."""

from __future__ import annotations

import pytest

from tidings.brokers.redis.calls import MARGIN, Fate
from tidings.brokers.redis.reign import Reign

pytestmark = pytest.mark.core

NOW = Reign("abc", ahead=1000.0)


def test_a_first_attempt_says_that_it_is_one() -> None:
    assert (Fate().arguments(NOW, timed=True), Fate().arguments(NOW, timed=False)) == (("", 0), ("",))


@pytest.mark.parametrize("compared", [990.0, 1000.0, 1010.0])
def test_a_first_attempt_is_never_taken_to_be_later_than_it_was(compared: float) -> None:
    """The script does not look beyond that moment. The clocks were compared when the line came up, days ago perhaps."""
    fate = Fate()
    fate.lost = (Reign("abc", ahead=compared), 5.0)
    identity, moment = fate.arguments(NOW, timed=True)
    assert identity == "abc"
    assert moment == pytest.approx((5.0 + min(compared, 1000.0) - MARGIN) * 1_000_000)
    assert fate.arguments(NOW, timed=False) == ("abc",)
