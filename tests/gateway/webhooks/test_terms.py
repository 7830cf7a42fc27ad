"""What is agreed upon about an endpoint."""

from __future__ import annotations

import pytest

from tidings.gateway.webhooks.terms import CallFailed, Ending, Event, Outcome, Refusal, Terms

pytestmark = pytest.mark.core


def test_secrets_are_not_shown() -> None:
    """Neither what calls are signed with, nor a password in the address."""
    assert repr(Terms(Event.RPC, "https://ada:pw@app.example", secret="s3cret")) == "Terms(rpc)"


@pytest.mark.parametrize("status", [201, 301, 400, 401, 404, 410, 413, 422, 500, 501])
def test_what_speaks_of_what_was_sent(status: int) -> None:
    assert CallFailed(Outcome.STATUS, "", status=status).is_refusal


@pytest.mark.parametrize("status", [0, 408, 425, 429, 502, 503, 504, 507, 521])
def test_what_speaks_of_the_moment(status: int) -> None:
    """Whoever stands in front of the endpoint, or the endpoint that asks for time; or nobody, who has no status."""
    assert not CallFailed(Outcome.STATUS, "", status=status).is_refusal


def test_what_a_status_means() -> None:
    """As the client gets it; without words there are none."""
    error = Refusal(1404, temporary=True).exception()
    assert (error.code, error.message, error.temporary) == (1404, "", True)
    end = Ending(4501, "log in first").exception()
    assert (end.code, end.reason) == (4501, "log in first")
    assert Ending(4501).exception().reason == ""
