"""The toolkit's front door: every name is there, from wherever it lives, and costs nothing before it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tidings import testing

pytestmark = pytest.mark.world  # the last one starts an interpreter


@pytest.mark.parametrize("name", testing.__all__)
def test_every_name_is_there(name: str) -> None:
    """With a docstring of its own."""
    assert getattr(testing, name).__doc__


def test_names_and_homes_agree() -> None:
    assert sorted(testing.__all__) == sorted(name for names in testing._HOMES.values() for name in names)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        testing.Nonsense  # noqa: B018


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    costly = ("redis", "socketio", "playwright")
    code = f"import sys, tidings.testing; print([name for name in {costly} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
