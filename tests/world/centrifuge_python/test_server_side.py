"""centrifuge-python: subscriptions that the server makes, from the token's claims, the user's name and the API."""

from __future__ import annotations

import pytest
from centrifuge import (
    ConnectedContext,
    ServerJoinContext,
    ServerLeaveContext,
    ServerPublicationContext,
    ServerSubscribedContext,
    ServerSubscribingContext,
    ServerUnsubscribedContext,
)

pytestmark = [pytest.mark.world, pytest.mark.L3]


async def test_claimed_channels(arrive, backend, unique):
    """A client is subscribed to the channels of its token and to its user's own, without asking."""
    ada = await arrive(unique, channels=[f"plain:{unique}", f"kept:{unique}"])
    subscribed = {(await ada.journal.next(ServerSubscribedContext)).channel for _ in range(3)}
    assert subscribed == {f"plain:{unique}", f"kept:{unique}", f"#{unique}"}
    for channel in sorted(subscribed):
        backend.publish(channel, channel)
        heard = await ada.journal.next(ServerPublicationContext)
        assert (heard.channel, ada.encoding.decode(heard.pub.data)) == (channel, channel)


async def test_claims_with_options(arrive, unique):
    """A token's `subs` say more of each channel: what the client is handed, and what it may see there."""
    subs = {f"chat:{unique}": {"data": {"topic": "tea"}, "override": {"force_push_join_leave": {"value": True}}}}
    ada = await arrive(unique, subs=subs)
    subscribed = [await ada.journal.next(ServerSubscribedContext) for _ in range(2)]
    assert {each.channel: ada.encoding.decode(each.data) for each in subscribed} == {
        f"chat:{unique}": {"topic": "tea"},
        f"#{unique}": None,
    }
    assert (await ada.journal.next(ServerJoinContext)).info.user == unique
    bob = await arrive("bob")
    visit = await bob.subscribe(f"chat:{unique}")
    assert (await ada.journal.next(ServerJoinContext)).info.user == "bob"
    await visit.subscription.unsubscribe()
    assert (await ada.journal.next(ServerLeaveContext)).info.user == "bob"


async def test_recovery(arrive, backend, proxy, unique):
    """What a server-side subscription missed while the line was cut arrives with the next connection."""
    channel = f"brief:{unique}"
    ada = await arrive(unique, through=proxy.url, channels=[channel])
    proxy.cut()
    await ada.journal.skip_to(ServerSubscribingContext)
    backend.publish_all(channel, [1, 2])
    proxy.mend()
    await ada.journal.skip_to(ConnectedContext)
    back = [await ada.journal.next(ServerSubscribedContext) for _ in range(2)]
    assert {each.channel: (each.was_recovering, each.recovered) for each in back} == {
        channel: (True, True),
        f"#{unique}": (False, False),
    }
    backend.publish(channel, 3)
    heard = [await ada.journal.skip_to(ServerPublicationContext) for _ in range(3)]
    assert [ada.encoding.decode(each.pub.data) for each in heard] == [1, 2, 3]


async def test_subscribed_by_the_back_end(arrive, backend, unique):
    """The back end subscribes a connected user to a channel, and ends it again."""
    ada = await arrive(unique)
    await ada.journal.next(ServerSubscribedContext)
    channel = f"kept:{unique}"
    backend.call("subscribe", user=unique, channel=channel, data={"why": "invited"})
    subscribed = await ada.journal.next(ServerSubscribedContext)
    assert (subscribed.channel, ada.encoding.decode(subscribed.data)) == (channel, {"why": "invited"})
    backend.publish(channel, "welcome")
    assert (await ada.journal.next(ServerPublicationContext)).channel == channel
    backend.call("unsubscribe", user=unique, channel=channel)
    assert (await ada.journal.next(ServerUnsubscribedContext)).channel == channel
