"""A reason has to be one, and stands where it can be found."""

from __future__ import annotations

import pytest

from tidings.testing.plugin import mock_justified
from tidings.testing.plugin.justified import reasons

pytestmark = pytest.mark.core


@pytest.mark.parametrize("empty", ["", "  ", None, 3])
def test_a_reason_is_required(empty: object):
    """An empty one is an error where it stands."""
    with pytest.raises(ValueError, match="justified by a reason"):
        mock_justified(empty)  # type: ignore[arg-type]


def test_it_stands_below_the_fixture():
    """Above it there would be nothing to write the reason on."""

    @pytest.fixture
    def fake() -> None: ...

    with pytest.raises(TypeError, match=r"below @pytest\.fixture"):
        mock_justified("why")(fake)


def test_a_subclass_adds_its_reason_and_leaves_the_base_alone():
    """Reasons add up from base to subclass."""

    @mock_justified("base")
    class Base: ...

    @mock_justified("more")
    class More(Base): ...

    assert (reasons(Base), reasons(More)) == (("base",), ("base", "more"))
