"""The examples of docs/testing/levels.md pass as the one test module that they are."""

from __future__ import annotations

import pytest
from tests.docs.pages import blocks, page

from tidings.testing.plugin.levels import CATEGORIES

# Each starts several interpreters, which a busy machine does slowly.
pytestmark = [pytest.mark.world, pytest.mark.L3, pytest.mark.timeout(180)]


def test_the_examples_pass(run_apart):
    """With a Redis that the third one asks for."""
    text = page("testing/levels.md")
    result = run_apart("".join(blocks(text, "python")), "--require", "redis")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["delivery: p50 2.5 ms, p99 12.3 ms (p99 at most 100)", "*no sandbox"])


def test_every_category_is_on_the_page():
    """By its name."""
    assert [name for name in CATEGORIES if f"`{name}`" not in page("testing/levels.md")] == []
