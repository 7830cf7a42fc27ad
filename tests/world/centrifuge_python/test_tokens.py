"""centrifuge-python: tokens for connections and subscriptions, and new ones when they have run out."""

from __future__ import annotations

import pytest
from centrifuge import (
    ConnectedContext,
    ConnectingContext,
    DisconnectedContext,
    ServerSubscribedContext,
    SubscribedContext,
    SubscriptionErrorContext,
    UnsubscribedContext,
)
from tests.world.backend import token
from tests.world.centrifuge_python.listener import Tokens

pytestmark = [pytest.mark.world, pytest.mark.L3]

SHORT = 1.0
"""Seconds that a short-lived token is good: the least that the protocol can say."""


async def test_connection_token_is_renewed(introduce):
    """Before its time is up a connection gets a new token, again and again, and is never interrupted."""
    tokens = Tokens(lambda: token("ada", ttl=SHORT))
    ada = introduce(tokens)
    connected = await ada.connect()
    await ada.journal.next(ServerSubscribedContext)
    await tokens.asked(3)
    channel = await ada.subscribe("chat:renewed")
    assert connected.client in (await channel.subscription.presence()).clients
    assert ada.journal.is_empty


async def test_renewed_with_another_users_token(introduce):
    """A connection cannot change hands: the token of somebody else ends it."""
    at_hand = iter([token("ada", ttl=SHORT), token("bob")])
    ada = introduce(Tokens(lambda: next(at_hand)))
    await ada.connect()
    assert (await ada.journal.skip_to(DisconnectedContext)).code == 3500


async def test_expired_by_the_back_end(arrive, backend, unique):
    """A connection that the back end calls expired ends with 3005, and the client comes back."""
    ada = await arrive(unique)
    backend.call("refresh", user=unique, expired=True)
    assert (await ada.journal.skip_to(ConnectingContext)).code == 3005
    await ada.journal.next(ConnectedContext)


async def test_subscription_token(arrive, backend, unique):
    """A channel that is closed to others is open to whoever brings a token for it; others see what the token says."""
    ada = await arrive("ada")
    tokens = Tokens(lambda channel: token("ada", channel=channel, info={"role": "owner"}))
    channel = await ada.subscribe(f"$shut:{unique}", get_token=tokens)
    (present,) = backend.call("presence", channel=channel.name)["presence"].values()
    assert present["chan_info"] == {"role": "owner"}
    assert tokens.count == 1


async def test_subscription_token_is_renewed(arrive, backend, unique):
    """Before its time is up a subscription gets a new token, again and again, and is never interrupted."""
    ada = await arrive("ada")
    tokens = Tokens(lambda channel: token("ada", channel=channel, ttl=SHORT))
    channel = await ada.subscribe(f"shut:{unique}", get_token=tokens)
    await tokens.asked(3)
    backend.publish(channel.name, "still here")
    assert (await channel.publication()).data == "still here"


async def test_expired_subscription_token(arrive, unique):
    """A subscription token that has run out is answered 109, so the client asks for another one and gets in."""
    ada = await arrive("ada")
    lifetimes = iter([-1.0, 60.0])
    tokens = Tokens(lambda channel: token("ada", channel=channel, ttl=next(lifetimes)))
    channel = await ada.try_to_subscribe(f"shut:{unique}", get_token=tokens)
    assert (await channel.next(SubscriptionErrorContext)).error.code == 109
    await channel.next(SubscribedContext)
    assert tokens.count == 2


async def test_bad_subscription_token(arrive, unique):
    """A forged subscription token is refused with 103, and the connection goes on."""
    ada = await arrive("ada")
    forged = token("ada", channel=f"shut:{unique}", secret="a secret of somebody else's making")
    channel = await ada.try_to_subscribe(f"shut:{unique}", token=forged)
    assert (await channel.next(UnsubscribedContext)).code == 103
    await ada.subscribe("plain:after")


@pytest.mark.parametrize(("user", "channel"), [("bob", "shut:it"), ("ada", "shut:other")])
async def test_stolen_subscription_token(arrive, user, channel):
    """A good token for another user or another channel is no accident, and ends the connection."""
    ada = await arrive("ada")
    await ada.try_to_subscribe("shut:it", token=token(user, channel=channel))
    assert (await ada.journal.skip_to(DisconnectedContext)).code == 3500
