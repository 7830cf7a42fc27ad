"""How hard a secret is to guess."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.app.doctor.strength import STRONG, WEAK, bits

pytestmark = pytest.mark.core


@given(st.integers(24, 64))
def test_what_chance_made_is_strong(length: int) -> None:
    """In each of the forms in which people make secrets."""
    assert bits(secrets.token_urlsafe(length)) >= STRONG
    assert bits(secrets.token_hex(length)) >= STRONG


@pytest.mark.parametrize(
    "secret",
    ["", "a", "secret", "Secret123", "changeme", "my-secret", "test-secret", "x" * 64, "tidings-demo", "12345678"],
)
def test_what_is_tried_first_is_weak(secret: str) -> None:
    assert bits(secret) < WEAK


@pytest.mark.parametrize("secret", ["kR9vTq2mXw8LzPfC", "correct horse batt"])
def test_between_them(secret: str) -> None:
    """Nobody guesses it by hand, and HS256 asks for more."""
    assert WEAK <= bits(secret) < STRONG


@given(st.text())
def test_every_text_has_an_answer(secret: str) -> None:
    assert bits(secret) >= 0
