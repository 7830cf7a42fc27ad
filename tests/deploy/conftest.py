"""What the tests of deploy/ share."""

from __future__ import annotations

import uuid

import pytest


@pytest.fixture
def unique() -> str:
    """A part for names of users and channels, so that tests which share a server do not meet."""
    return uuid.uuid4().hex[:8]
