"""How hard a secret is to guess."""

from __future__ import annotations

import secrets

import pytest

from tidings.gateway.keys.strength import weakness

pytestmark = pytest.mark.core


def test_good() -> None:
    for secret in (secrets.token_urlsafe(32), secrets.token_hex(32), "a secret of thirty-two characters"):
        assert weakness(secret) == ""


@pytest.mark.parametrize("secret", ["secret", "x" * 31, ""])
def test_short(secret: str) -> None:
    assert weakness(secret) == f"has {len(secret)} bytes, and 32 are the least for HS256"


@pytest.mark.parametrize("secret", ["x" * 64, "abc" * 12, "ab" * 40])
def test_monotonous(secret: str) -> None:
    assert weakness(secret) == "repeats a few characters only"


def test_it_is_never_repeated() -> None:
    assert "hunter2" not in weakness("hunter2")
