"""A small server and its clients, run by a seed: correct by construction, and as awkward as correct can be.

Frames wait on the way to their client and are lost with its connection; publishers time out before or after the broker
has taken what they publish; clients stay away for longer than the history lasts; streams get lost. Whatever is owed is
delivered before the end.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

from tidings.model import StreamPosition
from tidings.testing.delivery import (
    ChannelRules,
    Connected,
    Delivered,
    Disconnected,
    FaultInjected,
    GapTold,
    History,
    How,
    PresenceSeen,
    PublishFailed,
    PublishInvoked,
    PublishOk,
    PublishUnknown,
    Rules,
    Subscribed,
    Unsubscribed,
    stamped,
    tag_of,
)

RETENTION = 6
LEASE = 5.0
CHANNELS = ("news", "chat", "tape", "inbox")
RULES = Rules(
    channels={
        "news": ChannelRules(history=True, allowed=frozenset({"ann", "bob", "cid", "dan"})),
        "chat": ChannelRules(),
        "tape": ChannelRules(lossless=True),
        "inbox": ChannelRules(history=True, may_repeat=True),
    },
    lease=LEASE,
    expected_faults=("lose the stream",),
)
"""The tape's clients never lose their connection while something is on the way to them."""


@dataclass
class Stream:
    epoch: str
    top: int = 0
    kept: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=RETENTION))


@dataclass
class Device:
    """A client. `queues` are what is on the way to it."""

    name: str
    connection: str = ""
    subscribed: set[str] = field(default_factory=set)
    away: dict[str, StreamPosition] = field(default_factory=dict)
    positions: dict[str, StreamPosition] = field(default_factory=dict)
    on_the_way: deque[Delivered] = field(default_factory=deque)


class Simulation:
    """`run()` returns the history of a correct run. `payloads` are what was published, by id."""

    def __init__(self, seed: int, *, steps: int = 80) -> None:
        self.random = random.Random(seed)
        self.steps = steps
        self.now = 0.0
        self.records: list = []
        self.streams = {channel: Stream("e1") for channel in ("news", "inbox")}
        self.devices = [Device(name) for name in ("ann", "bob", "cid", "dan")]
        self.numbers = 0
        self.gone: list[tuple[float, str, str]] = []

    def run(self) -> History:
        for device in self.devices:
            self.connect(device)
            for channel in CHANNELS:
                self.subscribe(device, channel)
        actions = [
            (self.publish, 12),
            (self.drain_one, 14),
            (self.cut, 1),
            (self.come_back, 2),
            (self.leave, 0.5),
            (self.enter, 1),
            (self.look, 1),
            (self.lose_stream, 0.2),
            (self.server_unsubscribes, 0.3),
            (self.rest, 0.3),
            (self.read_history, 0.5),
        ]
        choices, weights = zip(*actions, strict=True)
        for action in self.random.choices(choices, weights, k=self.steps):
            action()
        self.end()
        return History(self.records, origin=0.0)

    # Time and records.

    def note(self, kind, *fields) -> None:
        self.now += self.random.choice([0.0, 0.001, 0.01])
        self.records.append(kind(self.now, *fields))

    def rest(self) -> None:
        self.now += LEASE + 2

    # Publishing.

    def publish(self, channel: str = "", outcome: str = "") -> None:
        channel = channel or self.random.choice(CHANNELS)
        outcome = (
            outcome or self.random.choices(["ok", "failed", "taken", "not taken", "silent"], [20, 1, 1, 1, 0.5])[0]
        )
        self.numbers += 1
        id = f"p{self.numbers}"
        data = tag_of(stamped(id, n=self.numbers)).content
        self.note(PublishInvoked, id, channel, self.random.choice(["pat", "pam"]), data)
        position = self.accept(channel, id, data) if outcome in ("ok", "taken", "silent") else None
        if self.random.random() < 0.5:
            self.drain_one()
        match outcome:
            case "ok":
                self.note(PublishOk, id, position if self.random.random() < 0.8 else None)
            case "failed":
                self.note(PublishFailed, id, self.random.random() < 0.5)
            case "taken" | "not taken":
                self.note(PublishUnknown, id)

    def accept(self, channel: str, id: str, data: str) -> StreamPosition | None:
        stream = self.streams.get(channel)
        offset, epoch = 0, ""
        if stream is not None:
            stream.top += 1
            stream.kept.append((stream.top, id))
            offset, epoch = stream.top, stream.epoch
        for device in self.devices:
            if channel in device.subscribed:
                device.on_the_way.append(Delivered(0.0, device.name, device.name, channel, id, data, offset, epoch))
        return StreamPosition(offset, epoch) if stream is not None else None

    # What reaches clients.

    def drain_one(self) -> None:
        waiting = [device for device in self.devices if device.on_the_way]
        if waiting:
            self.hand_over(self.random.choice(waiting))

    def hand_over(self, device: Device) -> None:
        frame = device.on_the_way.popleft()
        self.deliver(device, frame.channel, frame.id, frame.data, frame.offset, frame.epoch, How.LIVE)
        if frame.channel == "inbox" and self.random.random() < 0.1:
            self.deliver(device, frame.channel, frame.id, frame.data, frame.offset, frame.epoch, How.LIVE)

    def deliver(self, device: Device, channel: str, id: str, data: str, offset: int, epoch: str, how: How) -> None:
        self.note(Delivered, device.name, device.name, channel, id, data, offset, epoch, how)
        if offset and how is not How.HISTORY:
            device.positions[channel] = StreamPosition(offset, epoch)

    def drain(self, device: Device) -> None:
        while device.on_the_way:
            self.hand_over(device)

    # Connections and subscriptions.

    def connect(self, device: Device) -> None:
        self.numbers += 1
        device.connection = f"c{self.numbers}"
        self.note(Connected, device.name, device.name, device.connection)

    def one(self, condition) -> Device | None:
        return self.random.choice(found) if (found := [each for each in self.devices if condition(each)]) else None

    def cut(self, device: Device | None = None) -> None:
        device = device or self.one(lambda each: each.connection)
        if device is None:
            return
        if any(frame.channel == "tape" for frame in device.on_the_way):
            self.drain(device)
        device.on_the_way.clear()
        device.away = {c: device.positions[c] for c in device.subscribed if c in self.streams}
        for channel in CHANNELS:
            self.forget(device, channel)
        device.connection = ""
        if self.random.random() < 0.3:  # the client is slow to notice, and things go on
            self.publish("news", "ok")
        self.note(Disconnected, device.name, 3000)

    def come_back(self, device: Device | None = None) -> None:
        device = device or self.one(lambda each: not each.connection)
        if device is None:
            return
        self.connect(device)
        for channel, position in device.away.items():
            self.subscribe(device, channel, position)
        device.away = {}

    def subscribe(self, device: Device, channel: str, since: StreamPosition | None = None) -> None:
        stream = self.streams.get(channel)
        device.subscribed.add(channel)
        if stream is None:
            self.note(Subscribed, device.name, channel, device.name)
            return
        top = StreamPosition(stream.top, stream.epoch)
        if since is None:
            device.positions[channel] = top
            self.note(Subscribed, device.name, channel, device.name, None, top)
            return
        missed = [(offset, id) for offset, id in stream.kept if offset > since.offset]
        if since.epoch == stream.epoch and len(missed) == stream.top - since.offset:
            self.note(Subscribed, device.name, channel, device.name, True, since)
            for offset, id in missed:
                data = tag_of(stamped(id, n=int(id[1:]))).content
                self.deliver(device, channel, id, data, offset, stream.epoch, How.RECOVERED)
            return
        device.positions[channel] = top
        self.note(GapTold, device.name, channel)
        self.note(Subscribed, device.name, channel, device.name, False, top)

    def leave(self) -> None:
        if (device := self.one(lambda each: each.subscribed)) is None:
            return
        channel = self.random.choice(sorted(device.subscribed))
        self.drain(device)
        self.forget(device, channel)
        self.note(Unsubscribed, device.name, channel, 0)

    def forget(self, device: Device, channel: str) -> None:
        if channel in device.subscribed:
            device.subscribed.discard(channel)
            self.gone.append((self.now, channel, device.connection))

    def server_unsubscribes(self) -> None:
        """What is published before the client has noticed does not reach it."""
        if (device := self.one(lambda each: each.subscribed)) is None:
            return
        channel = self.random.choice(sorted(device.subscribed))
        self.forget(device, channel)
        self.publish(channel, "ok")
        self.drain(device)
        self.note(Unsubscribed, device.name, channel, 2000)

    def enter(self) -> None:
        if (device := self.one(lambda each: each.connection and len(each.subscribed) < len(CHANNELS))) is None:
            return
        self.subscribe(device, self.random.choice(sorted(set(CHANNELS) - device.subscribed)))

    def lose_stream(self, channel: str = "news") -> None:
        """Whoever was there is told, and gets nothing of what was on the way."""
        self.note(FaultInjected, "lose the stream", channel)
        self.streams[channel] = Stream(f"e{self.numbers + 2}")
        for device in self.devices:
            if channel not in device.subscribed:
                continue
            lost = [frame for frame in device.on_the_way if frame.channel == channel]
            for frame in lost:
                device.on_the_way.remove(frame)
            self.note(GapTold, device.name, channel)
            self.note(Unsubscribed, device.name, channel, 2500)
            self.subscribe(device, channel, device.positions[channel])

    # Asking.

    def look(self) -> None:
        """Whoever has gone within the last lease may still be there: this server often learns of it late."""
        channel = self.random.choice(CHANNELS)
        there = {device.connection for device in self.devices if channel in device.subscribed}
        late = {who for at, where, who in self.gone if where == channel and at > self.now - LEASE}
        there |= {who for who in sorted(late) if self.random.random() < 0.5}
        self.note(PresenceSeen, channel, tuple(sorted(there)))

    def read_history(self) -> None:
        device, channel = self.random.choice(self.devices), self.random.choice(["news", "inbox"])
        stream = self.streams[channel]
        for offset, id in stream.kept:
            data = tag_of(stamped(id, n=int(id[1:]))).content
            self.deliver(device, channel, id, data, offset, stream.epoch, How.HISTORY)

    # The end.

    def end(self) -> None:
        """Everything that the tests want to break is there, in every run."""
        ann, bob, _, dan = self.devices
        self.everybody_everywhere()
        self.lose_stream()
        self.everybody_everywhere()
        for channel in CHANNELS:
            for outcome in ("ok", "ok", "ok", "failed", "taken", "ok", "ok"):
                self.publish(channel, outcome)
        self.drain_all()
        self.cut(ann)
        self.cut(bob)
        self.publish("news", "ok")
        self.publish("chat", "ok")
        self.come_back(ann)  # within what is kept
        for _ in range(RETENTION + 1):
            self.publish("news", "ok")
        self.come_back(bob)  # too late
        self.everybody_everywhere()
        self.drain_all()
        self.rest()
        for channel in CHANNELS:
            self.forget(dan, channel)
            self.note(Unsubscribed, dan.name, channel, 0)
        self.rest()
        for channel in CHANNELS:
            for _ in range(4):
                self.now += 0.01
                self.publish(channel, "ok")
        self.drain_all()
        self.rest()
        for channel in CHANNELS:
            there = [device.connection for device in self.devices if channel in device.subscribed]
            self.note(PresenceSeen, channel, tuple(sorted(there)))

    def everybody_everywhere(self) -> None:
        for device in self.devices:
            if not device.connection:
                self.come_back(device)
            for channel in CHANNELS:
                if channel not in device.subscribed:
                    self.subscribe(device, channel)

    def drain_all(self) -> None:
        for device in self.devices:
            self.drain(device)


def correct(seed: int, *, steps: int = 80) -> History:
    """The history of a correct run."""
    return Simulation(seed, steps=steps).run()
