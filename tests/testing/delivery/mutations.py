"""Every way in which an implementation could break a promise, as a change of a correct history.

A mutation takes a `Story`, changes it, and stands in `MUTATIONS` with the invariant that has to find it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

from msgspec.structs import replace

from tidings.model import StreamPosition
from tidings.testing.delivery import (
    AnyRecord,
    Connected,
    Delivered,
    Disconnected,
    FaultInjected,
    GapTold,
    History,
    How,
    Invariant,
    PresenceSeen,
    PublishFailed,
    PublishInvoked,
    PublishOk,
    PublishUnknown,
    Subscribed,
    Unsubscribed,
)


class Story:
    """The records of a correct run, to be changed. Its clients ann, bob and cid are there to the end."""

    def __init__(self, history: History, seed: int) -> None:
        self.records: list[AnyRecord] = history.records()
        self.random = random.Random(seed)
        self.reader = self.random.choice(["ann", "bob", "cid"])

    def history(self) -> History:
        return History(self.records, origin=0.0)

    # Finding.

    def ids(self, kind: type, channel: str) -> list[str]:
        """The ids of a channel's publications with this outcome."""
        channels = {each.id: each.channel for each in self.all(PublishInvoked)}
        return [each.id for each in self.all(kind) if channels[each.id] == channel]

    def all(self, kind: type) -> list:
        return [record for record in self.records if type(record) is kind]

    def last(self, kind: type, **fields: object) -> AnyRecord:
        return next(
            record
            for record in reversed(self.records)
            if type(record) is kind and all(getattr(record, name) == value for name, value in fields.items())
        )

    def last_live(self, channel: str, client: str = "", count: int = 4) -> list[Delivered]:
        """What somebody got at last, of what was acknowledged."""
        ids = set(self.ids(PublishOk, channel))
        found = [
            record
            for record in self.all(Delivered)
            if record.id in ids
            and record.channel == channel
            and record.client == (client or self.reader)
            and record.how is How.LIVE
        ]
        return found[-count:]

    # Changing.

    def place(self, record: AnyRecord) -> int:
        return next(place for place, each in enumerate(self.records) if each is record)

    def remove(self, *records: AnyRecord) -> None:
        self.records = [each for each in self.records if not any(each is record for record in records)]

    def change(self, record: AnyRecord, **fields: object) -> None:
        self.records[self.place(record)] = replace(record, **fields)

    def insert(self, record: AnyRecord, *, after: AnyRecord) -> None:
        self.records.insert(self.place(after) + 1, replace(record, at=after.at))

    def delay(self, record: AnyRecord, *, after: AnyRecord) -> None:
        """Let it happen only then."""
        self.remove(record)
        self.insert(record, after=after)

    def append(self, record: AnyRecord) -> None:
        self.records.append(replace(record, at=self.records[-1].at))


# 1. What is acknowledged is delivered, or a gap is told.


def drop_one(story: Story) -> None:
    story.remove(story.random.choice(story.last_live("news")[:-1]))


def drop_the_last(story: Story) -> None:
    story.remove(story.last_live("news")[-1])


def drop_for_everybody(story: Story) -> None:
    id = story.random.choice(story.ids(PublishOk, "news")[-4:])
    story.remove(*(each for each in story.all(Delivered) if each.id == id))


def drop_what_was_recovered(story: Story) -> None:
    story.remove(story.last(Delivered, client="ann", how=How.RECOVERED, channel="news"))


def drop_before_leaving(story: Story) -> None:
    story.remove(story.last_live("news", "dan")[-1])


def drop_a_lossless_one(story: Story) -> None:
    story.remove(story.random.choice(story.last_live("tape")))


def drop_from_the_inbox(story: Story) -> None:
    """With every repetition of it."""
    id = story.random.choice(story.ids(PublishOk, "inbox")[-4:])
    story.remove(*(each for each in story.all(Delivered) if each.id == id and each.client == story.reader))


def keep_a_gap_secret(story: Story) -> None:
    """Somebody was away for too long, and is told that nothing was missed."""
    told = story.last(Subscribed, client="bob", channel="news", recovered=False)
    before = [each for each in story.records[: story.place(told)] if type(each) is Delivered]
    before = [
        each for each in before if each.client == "bob" and each.channel == "news" and each.how is not How.HISTORY
    ]
    story.remove(story.last(GapTold, client="bob", channel="news"))
    story.change(told, recovered=True, position=StreamPosition(before[-1].offset, before[-1].epoch))


def keep_a_new_epoch_secret(story: Story) -> None:
    gaps = [each for each in story.all(GapTold) if each.client == "cid" and each.channel == "news"]
    told = story.last(Subscribed, client="cid", channel="news", recovered=False)
    story.remove(*gaps)
    story.change(told, recovered=True)


def say_nothing_of_a_new_epoch(story: Story) -> None:
    """Neither a gap nor a new subscription: publications of another epoch just go on."""
    place = story.place(story.last(Unsubscribed, client="cid", channel="news", code=2500))
    said = story.records[place - 1 : place + 3]
    assert [type(each) for each in said] == [GapTold, Unsubscribed, GapTold, Subscribed]
    story.remove(*said)


# 2. In order.


def swap_two_offsets(story: Story) -> None:
    one, two, *_ = story.last_live("news")
    story.delay(one, after=two)


def swap_two_of_a_publisher(story: Story) -> None:
    publishers = {each.id: each.publisher for each in story.all(PublishInvoked)}
    found = story.last_live("chat")
    for one, other in combinations(found, 2):
        if publishers[one.id] == publishers[other.id]:
            story.delay(one, after=other)
            return
    one, two = found[-2:]  # Each of the last was published by another: let it have been the same.
    for invoked in story.all(PublishInvoked):
        if invoked.id in (one.id, two.id):
            story.change(invoked, publisher="paul")
    story.delay(one, after=two)


# 3. Nothing twice.


def repeat(channel: str) -> Callable[[Story], None]:
    def repeat(story: Story) -> None:
        delivery = story.random.choice(story.last_live(channel))
        story.insert(delivery, after=delivery)

    return repeat


def note_the_same_record_twice(story: Story) -> None:
    delivery = story.random.choice(story.last_live("news"))
    story.records.insert(story.place(delivery), delivery)


def repeat_an_unknown_one(story: Story) -> None:
    id = story.ids(PublishUnknown, "chat")[-1]
    delivery = story.last(Delivered, id=id)
    story.append(replace(delivery, client="ann", user="ann"))


def recover_what_was_there(story: Story) -> None:
    """The answer to a returning client begins one too early."""
    came_back = story.last(Subscribed, client="ann", channel="news", recovered=True)
    before = [each for each in story.records[: story.place(came_back)] if type(each) is Delivered]
    before = [
        each for each in before if each.client == "ann" and each.channel == "news" and each.how is not How.HISTORY
    ]
    story.insert(replace(before[-1], how=How.RECOVERED), after=came_back)


# 4. Nothing to whom it is not allowed.


def deliver_to_a_stranger(story: Story) -> None:
    """He is connected, and subscribed to something else."""
    delivery = story.last_live("chat")[-1]
    story.insert(replace(delivery, client="eve", user="eve"), after=delivery)
    story.insert(Subscribed(0.0, "eve", "elsewhere", "eve"), after=delivery)
    story.insert(Connected(0.0, "eve", "eve"), after=delivery)


def deliver_after_unsubscribing(story: Story) -> None:
    delivery = story.last_live("news")[-1]
    story.insert(replace(delivery, client="dan", user="dan"), after=delivery)


def deliver_after_the_connection(story: Story) -> None:
    """Something that was published while somebody was away, as if he had been there."""
    gone = story.last(Disconnected, client="bob")
    published = [each for each in story.records[story.place(gone) :] if type(each) is PublishOk]
    id = next(each.id for each in published if each.id in story.ids(PublishOk, "chat"))
    delivery = story.last(Delivered, id=id)
    came = story.last(Connected, client="bob")
    story.records.insert(story.place(came), replace(delivery, at=came.at, client="bob", user="bob"))


def subscribe_who_may_not(story: Story) -> None:
    story.append(Connected(0.0, "eve", "eve"))
    story.append(Subscribed(0.0, "eve", "news", "eve"))


def show_the_history_to_who_may_not(story: Story) -> None:
    delivery = story.last_live("news")[-1]
    story.insert(replace(delivery, client="eve", user="eve", how=How.HISTORY), after=delivery)


# 5. Nothing that was not published so.


def invent(story: Story) -> None:
    delivery = story.last_live("chat")[-1]
    story.insert(replace(delivery, id="nobody's"), after=delivery)


def deliver_something_without_an_id(story: Story) -> None:
    delivery = story.last_live("chat")[-1]
    story.insert(replace(delivery, id=""), after=delivery)


def alter_a_payload(story: Story) -> None:
    delivery = story.random.choice(story.last_live(story.random.choice(["news", "chat", "tape", "inbox"])))
    story.change(delivery, data=delivery.data.replace("}", ',"more":1}'))


def alter_a_payload_in_the_history(story: Story) -> None:
    delivery = story.last_live("news")[-1]
    story.append(replace(delivery, data="{}", how=How.HISTORY))


def deliver_in_another_channel(story: Story) -> None:
    delivery = story.last_live("chat")[-1]
    story.insert(replace(delivery, channel="tape"), after=delivery)


def deliver_a_failed_one(story: Story) -> None:
    id = story.ids(PublishFailed, "chat")[-1]
    data = story.last(PublishInvoked, id=id).data
    delivery = story.last_live("chat")[-1]
    story.insert(replace(delivery, id=id, data=data), after=delivery)


def reuse_an_offset(story: Story) -> None:
    one, two, *_ = story.last_live("news")
    story.change(two, offset=one.offset)


def publish_twice(story: Story) -> None:
    """Another node has it at another place."""
    delivery = story.last_live("news")[-1]
    story.change(delivery, offset=delivery.offset + 1)


def acknowledge_another_place(story: Story) -> None:
    delivery = story.last_live("news")[-1]
    ok = story.last(PublishOk, id=delivery.id)
    story.change(ok, position=StreamPosition(delivery.offset + 1, delivery.epoch))


def deliver_before_it_is_published(story: Story) -> None:
    id = story.last_live("chat")[-1].id
    call = [story.last(PublishInvoked, id=id), story.last(PublishOk, id=id)]
    story.remove(*call)
    for record in call:
        story.append(record)


# 6. Presence converges.


def show_a_ghost(story: Story) -> None:
    look = story.last(PresenceSeen, channel="chat")
    story.change(look, clients=(*look.clients, "a ghost"))


def forget_a_leave(story: Story) -> None:
    look = story.last(PresenceSeen, channel="chat")
    dan = story.last(Connected, client="dan").connection
    assert dan not in look.clients
    story.change(look, clients=(*look.clients, dan))


def overlook_somebody(story: Story) -> None:
    look = story.last(PresenceSeen, channel="news")
    story.change(look, clients=look.clients[1:])


# And every fault has fired.


def spare_the_faults(story: Story) -> None:
    story.remove(*story.all(FaultInjected))


@dataclass(frozen=True)
class Mutation:
    break_it: Callable[[Story], None]
    invariant: Invariant
    alone: bool = True
    """Whether no other invariant notices."""


MUTATIONS = {
    "drop one": Mutation(drop_one, Invariant.DELIVERY),
    "drop the last": Mutation(drop_the_last, Invariant.DELIVERY),
    "drop for everybody": Mutation(drop_for_everybody, Invariant.DELIVERY),
    "drop what was recovered": Mutation(drop_what_was_recovered, Invariant.DELIVERY),
    "drop before leaving": Mutation(drop_before_leaving, Invariant.DELIVERY),
    "drop a lossless one": Mutation(drop_a_lossless_one, Invariant.DELIVERY),
    "drop from the inbox": Mutation(drop_from_the_inbox, Invariant.DELIVERY),
    "keep a gap secret": Mutation(keep_a_gap_secret, Invariant.DELIVERY),
    "keep a new epoch secret": Mutation(keep_a_new_epoch_secret, Invariant.DELIVERY),
    "say nothing of a new epoch": Mutation(say_nothing_of_a_new_epoch, Invariant.DELIVERY),
    "swap two offsets": Mutation(swap_two_offsets, Invariant.ORDER),
    "swap two of a publisher": Mutation(swap_two_of_a_publisher, Invariant.ORDER),
    "repeat with history": Mutation(repeat("news"), Invariant.DUPLICATES),
    "repeat without history": Mutation(repeat("chat"), Invariant.DUPLICATES),
    "note the same record twice": Mutation(note_the_same_record_twice, Invariant.DUPLICATES),
    "repeat an unknown one": Mutation(repeat_an_unknown_one, Invariant.DUPLICATES),
    "recover what was there": Mutation(recover_what_was_there, Invariant.DUPLICATES),
    "deliver to a stranger": Mutation(deliver_to_a_stranger, Invariant.PERMISSION),
    "deliver after unsubscribing": Mutation(deliver_after_unsubscribing, Invariant.PERMISSION),
    "deliver after the connection": Mutation(deliver_after_the_connection, Invariant.PERMISSION),
    "subscribe who may not": Mutation(subscribe_who_may_not, Invariant.PERMISSION, alone=False),
    "show the history to who may not": Mutation(show_the_history_to_who_may_not, Invariant.PERMISSION),
    "invent": Mutation(invent, Invariant.TRUTH),
    "deliver something without an id": Mutation(deliver_something_without_an_id, Invariant.TRUTH),
    "alter a payload": Mutation(alter_a_payload, Invariant.TRUTH),
    "alter a payload in the history": Mutation(alter_a_payload_in_the_history, Invariant.TRUTH),
    "deliver in another channel": Mutation(deliver_in_another_channel, Invariant.TRUTH),
    "deliver a failed one": Mutation(deliver_a_failed_one, Invariant.TRUTH),
    "reuse an offset": Mutation(reuse_an_offset, Invariant.TRUTH),
    "publish twice": Mutation(publish_twice, Invariant.TRUTH),
    "acknowledge another place": Mutation(acknowledge_another_place, Invariant.TRUTH),
    "deliver before it is published": Mutation(deliver_before_it_is_published, Invariant.TRUTH),
    "show a ghost": Mutation(show_a_ghost, Invariant.PRESENCE),
    "forget a leave": Mutation(forget_a_leave, Invariant.PRESENCE),
    "overlook somebody": Mutation(overlook_somebody, Invariant.PRESENCE),
    "spare the faults": Mutation(spare_the_faults, Invariant.FAULTS),
}
