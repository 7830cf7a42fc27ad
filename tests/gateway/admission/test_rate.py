"""Rates as the settings write them."""

from __future__ import annotations

import pytest

from tidings.gateway.admission import Rate

pytestmark = pytest.mark.core


@pytest.mark.parametrize(
    ("text", "amount", "seconds"),
    [("20/10s", 20, 10.0), ("100/s", 100, 1.0), ("5/1m", 5, 60.0), ("5/m", 5, 60.0), (" 1000/24h ", 1000, 86400.0)],
)
def test_forms(text: str, amount: int, seconds: float) -> None:
    assert Rate.parse(text) == Rate(amount, seconds)


@pytest.mark.parametrize(
    "text", ["fast", "20", "20/", "/10s", "20/10", "-1/s", "1.5/s", "20 / 10s", "20/10d", "٣/s", "9" * 20 + "/s"]
)
def test_other_forms_are_no_rates(text: str) -> None:
    """Digits are those of ASCII, and not too many."""
    with pytest.raises(ValueError, match="such as"):
        Rate.parse(text)


@pytest.mark.parametrize("text", ["0/s", "100001/s", "1/0s", "1/25h", "1/86401s"])
def test_bounds(text: str) -> None:
    """What is remembered has to fit into memory, and to be worth remembering."""
    with pytest.raises(ValueError, match=r"from 1"):
        Rate.parse(text)


def test_it_is_written_as_it_is_read() -> None:
    assert str(Rate.parse("5/1m")) == "5/60s"
    assert Rate.parse(str(Rate(5, 60.0))) == Rate(5, 60.0)
