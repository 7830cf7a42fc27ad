"""A browser as a fixture. Apart from the other fixtures, since pytest-playwright has a `browser` too, which then stays
the only one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tidings.testing.plugin.services import block


@pytest.fixture(scope="session")
def browser(pytestconfig: pytest.Config) -> Iterator[Any]:
    """A `Browser` for the session."""
    with block(pytestconfig, "browser") as browser:
        yield browser


@pytest.fixture(scope="class")
def browser_of_class(pytestconfig: pytest.Config) -> Iterator[Any]:
    """A `Browser` of one class."""
    with block(pytestconfig, "browser") as browser:
        yield browser
