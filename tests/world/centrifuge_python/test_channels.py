"""centrifuge-python: what goes through a channel, who is in it, and what it keeps."""

from __future__ import annotations

import pytest
from centrifuge import JoinContext, LeaveContext, ReplyError, StreamPosition, SubscribedContext, UnsubscribedContext

pytestmark = [pytest.mark.world, pytest.mark.L3]


async def test_publications_reach_everybody(arrive, encoding, unique):
    """What one publishes reaches all, the publisher too, with who it was."""
    ada = await arrive("ada", info={"name": "Ada"})
    bob = await arrive("bob")
    channels = [await one.subscribe(f"chat:{unique}") for one in (ada, bob)]
    await channels[0].publish({"text": "Grüße, 世界\n"})
    for channel in channels:
        publication = await channel.publication()
        assert publication.data == {"text": "Grüße, 世界\n"}
        assert (publication.info.user, publication.info.client) == ("ada", ada.client.client_id)
        assert encoding.decode(publication.info.conn_info) == {"name": "Ada"}


async def test_back_end_publishes(arrive, backend, unique):
    """What the back end publishes has its tags, an offset where history is kept, and nobody as its author."""
    ada = await arrive("ada")
    channel = await ada.subscribe(f"kept:{unique}")
    backend.publish(channel.name, [1, None, "zwei"], tags={"kind": "list"})
    publication = await channel.publication()
    assert (publication.data, publication.tags) == ([1, None, "zwei"], {"kind": "list"})
    assert (publication.offset, publication.info) == (1, None)


async def test_order(arrive, backend, unique):
    """Publications come in the order in which they were published, each once."""
    ada = await arrive("ada")
    channel = await ada.subscribe(f"plain:{unique}")
    backend.publish_all(channel.name, range(500))
    assert await channel.publications(500) == list(range(500))


async def test_presence(arrive, encoding, unique):
    """Presence has every connection with its user and information, and the stats count both."""
    ada, twin, bob = await arrive("ada", info="first"), await arrive("ada"), await arrive("bob")
    channels = [await one.subscribe(f"chat:{unique}") for one in (ada, twin, bob)]
    present = (await channels[0].subscription.presence()).clients
    assert {client: info.user for client, info in present.items()} == {
        ada.client.client_id: "ada",
        twin.client.client_id: "ada",
        bob.client.client_id: "bob",
    }
    assert encoding.decode(present[ada.client.client_id].conn_info) == "first"
    stats = await channels[0].subscription.presence_stats()
    assert (stats.num_clients, stats.num_users) == (3, 2)


async def test_coming_and_going(arrive, unique):
    """Whoever asks for it hears who joins and who leaves, whether by unsubscribing or by disconnecting."""
    ada, bob, eve = await arrive("ada"), await arrive("bob"), await arrive("eve")
    channel = await ada.subscribe(f"chat:{unique}", join_leave=True)
    assert (await channel.next(JoinContext)).info.user == "ada"
    visit = await bob.subscribe(channel.name)
    assert (await channel.next(JoinContext)).info.user == "bob"
    await eve.subscribe(channel.name)
    assert (await channel.next(JoinContext)).info.user == "eve"
    await visit.subscription.unsubscribe()
    assert (await channel.next(LeaveContext)).info.user == "bob"
    await eve.client.disconnect()
    assert (await channel.next(LeaveContext)).info.user == "eve"
    assert list((await channel.subscription.presence()).clients) == [ada.client.client_id]


async def test_history(arrive, backend, unique):
    """History is read by limit, from a position, and backwards; without a limit it says only where the stream ends."""
    ada = await arrive("ada")
    channel = await ada.subscribe(f"kept:{unique}")
    backend.publish_all(channel.name, range(1, 6))
    top = await channel.subscription.history()
    assert (top.publications, top.offset) == ([], 5)
    assert await channel.history(limit=-1) == [1, 2, 3, 4, 5]
    assert await channel.history(limit=2) == [1, 2]
    assert await channel.history(limit=2, reverse=True) == [5, 4]
    assert await channel.history(limit=2, since=StreamPosition(3, top.epoch)) == [4, 5]
    assert await channel.history(limit=-1, since=StreamPosition(3, top.epoch), reverse=True) == [2, 1]
    with pytest.raises(ReplyError) as refused:
        await channel.history(limit=1, since=StreamPosition(3, "another epoch"))
    assert refused.value.code == 112


async def test_unsubscribing(arrive, backend, unique):
    """After unsubscribing nothing comes any more, until the same subscription is taken up again."""
    ada = await arrive("ada")
    channel = await ada.subscribe(f"plain:{unique}")
    await channel.subscription.unsubscribe()
    await channel.next(UnsubscribedContext)
    backend.publish(channel.name, "unheard")
    await channel.subscription.subscribe()
    await channel.skip_to(SubscribedContext)
    backend.publish(channel.name, "heard")
    assert (await channel.publication()).data == "heard"


async def test_unsubscribed_by_the_server(arrive, backend, unique):
    """The back end ends a subscription, for good and without ending the connection."""
    ada = await arrive(f"ada-{unique}")
    channel = await ada.subscribe(f"plain:{unique}")
    backend.call("unsubscribe", user=f"ada-{unique}", channel=channel.name)
    assert (await channel.next(UnsubscribedContext)).code == 2000
    await ada.subscribe(f"chat:{unique}")


@pytest.mark.parametrize(
    ("channel", "code"), [("shut:it", 103), ("$private", 103), ("nowhere:else", 102), (f"plain:{'x' * 250}", 107)]
)
async def test_refused_subscriptions(arrive, channel, code):
    """A subscription that is not permitted, or cannot be, ends with the code that says why; the connection goes on."""
    ada = await arrive("ada")
    refused = await ada.try_to_subscribe(channel)
    assert (await refused.next(UnsubscribedContext)).code == code
    await ada.subscribe("plain:after")


async def test_refused_commands(arrive, unique):
    """Commands that are not permitted are answered 103, those whose feature is off 108, each with its sentence."""
    ada = await arrive("ada")
    channel = (await ada.subscribe(f"plain:{unique}")).subscription
    refusals = [
        (channel.publish(ada.encoding.encode("no")), 103, "permission denied"),
        (ada.client.history(f"kept:{unique}"), 103, "permission denied"),
        (channel.history(), 108, "not available"),
        (channel.presence(), 108, "not available"),
        (channel.presence_stats(), 108, "not available"),
        (ada.rpc("anything", None), 108, "not available"),
    ]
    for command, code, sentence in refusals:
        with pytest.raises(ReplyError, match=sentence) as refused:
            await command
        assert refused.value.code == code
