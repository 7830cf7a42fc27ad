"""Where figures are written in a page."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.marks import write_between

pytestmark = pytest.mark.core


def test_what_stands_around_them_stays(tmp_path: Path) -> None:
    """Between the marks of the name; a page without them keeps what it has, and gets them at its end."""
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n<!-- a: begin -->\n\nold\n\n<!-- a: end -->\n\nThe rest.\n")
    write_between(page, "a", "new\n")
    write_between(page, "b", "another")
    write_between(page, "b", "the other")
    assert page.read_text() == (
        "# Page\n\n<!-- a: begin -->\n\nnew\n\n<!-- a: end -->\n\nThe rest.\n\n"
        "<!-- b: begin -->\n\nthe other\n\n<!-- b: end -->\n"
    )


def test_a_page_that_is_not_there(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    write_between(page, "a", "new")
    assert page.read_text() == "<!-- a: begin -->\n\nnew\n\n<!-- a: end -->\n"
