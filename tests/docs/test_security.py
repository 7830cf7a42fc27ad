"""docs/security.md: every test that it names is where it says, and its settings are good."""

from __future__ import annotations

import re
import tomllib

import pytest
from tests.docs.pages import ROOT, blocks, page

from tidings.app.settings import Settings
from tidings.app.settings.channels import DESCRIPTIONS
from tidings.gateway.transports.http import HEAD_LIMIT_BYTES, HEADER_LIMIT

pytestmark = pytest.mark.core

PAGE = page("security.md")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and line.count(" | ") == 2]
CLAIMS = [row for row in ROWS if not row.startswith("| threat |")]


@pytest.mark.parametrize("row", CLAIMS, ids=lambda row: row.split(" | ")[0].strip("| ")[:40])
def test_every_threat_has_a_test(row: str) -> None:
    """By its file, and where a function is named, that is in the file behind it."""
    named = row.split(" | ")[2]
    files = re.findall(r"`(tests/[\w/]+\.py)`", named)
    assert files
    for part in named.split(";"):
        (file,) = re.findall(r"`(tests/[\w/]+\.py)`", part)
        source = (ROOT / file).read_text()
        for function in re.findall(r"`(test_\w+)`", part):
            assert f"def {function}(" in source, f"{function} is not in {file}"


def test_the_settings_are_good() -> None:
    """And those that are shown as defaults are that."""
    first, *others = blocks(PAGE, "toml")
    assert Settings.of(tomllib.loads(first)) == Settings.of({})
    for block in others:
        assert Settings.of(tomllib.loads(block)).server.is_divided


def test_every_permission_is_on_the_page() -> None:
    """Those for history and presence are written shorter."""
    for name in DESCRIPTIONS:
        if name.startswith(("allow_subscribe", "allow_publish", "allow_user")):
            assert f"`{name}`" in PAGE


def test_numbers_are_those_of_the_code() -> None:
    assert f"beyond {HEAD_LIMIT_BYTES // 1024} KiB or {HEADER_LIMIT} fields" in PAGE
