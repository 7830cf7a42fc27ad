"""centrifuge-python: who gets in, who is sent away, and who comes back."""

from __future__ import annotations

import pytest
from centrifuge import ConnectedContext, ConnectingContext, DisconnectedContext, ErrorContext, ReplyError
from tests.world.backend import token
from tests.world.centrifuge_python.listener import Tokens

pytestmark = [pytest.mark.world, pytest.mark.L3]


async def test_connecting(introduce):
    """A client asks its application for one token, and is told its id and the server's version."""
    tokens = Tokens(lambda: token("ada"))
    connected = await introduce(tokens).connect()
    assert connected.client
    assert connected.version
    assert tokens.count == 1


async def test_expired_token(introduce):
    """A token that has run out is answered 109, so the client asks for another one and gets in."""
    at_hand = iter([token("ada", ttl=-1), token("ada")])
    tokens = Tokens(lambda: next(at_hand))
    ada = introduce(tokens)
    await ada.try_to_connect()
    error = (await ada.journal.next(ErrorContext)).error
    assert isinstance(error, ReplyError)
    assert error.code == 109
    await ada.journal.next(ConnectedContext)
    assert tokens.count == 2


@pytest.mark.parametrize(
    ("held", "code"),
    [
        (token("ada", secret="a secret of somebody else's making"), 3500),
        (token("ada", channel="plain:one"), 3500),
        ("no token at all", 3500),
        ("", 3501),
    ],
    ids=["forged", "for a subscription", "not a token", "none"],
)
async def test_turned_away(introduce, held, code):
    """Whoever shows a bad token, or none, is sent away for good."""
    ada = introduce()
    ada.client.set_token(held)
    await ada.try_to_connect()
    assert (await ada.journal.next(DisconnectedContext)).code == code


async def test_sent_away_for_good(arrive, backend, unique):
    """A disconnect by the back end is final, unless its code says otherwise."""
    ada = await arrive(unique)
    backend.call("disconnect", user=unique)
    ended = await ada.journal.skip_to(DisconnectedContext)
    assert (ended.code, ended.reason) == (3503, "force disconnect")


@pytest.mark.parametrize("code", [3011, 4000])
async def test_sent_away_to_come_back(arrive, backend, unique, code):
    """A code that allows it brings the client back, on a new connection."""
    ada = await arrive(unique)
    before = ada.client.client_id
    backend.disconnect(unique, code, "see you soon")
    again = await ada.journal.skip_to(ConnectingContext)
    assert (again.code, again.reason) == (code, "see you soon")
    await ada.journal.skip_to(ConnectedContext)
    assert ada.client.client_id != before
