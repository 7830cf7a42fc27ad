"""What is agreed upon about an endpoint."""

from __future__ import annotations

import pytest

from tidings.gateway.webhooks.terms import Event, Terms

pytestmark = pytest.mark.core


def test_secrets_are_not_shown() -> None:
    """Neither what calls are signed with, nor a password in the address."""
    assert repr(Terms(Event.RPC, "https://ada:pw@app.example", secret="s3cret")) == "Terms(rpc)"
