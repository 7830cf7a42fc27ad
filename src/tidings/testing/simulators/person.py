"""One person with several tabs and a phone: what happens to the connections of a single user.

Tabs are in the browser of one laptop: when that sleeps they all do, and while it sleeps none can be opened, closed or
read. The phone sleeps on its own. `read` says that the person has read everything on this one device, which the others
have to learn. A device that is closed has no connection; one that sleeps has one that does not answer.

What is drawn from where: things happen independently, `rate` a second, day and night. What happens is one of those
things that are possible now, weighed by `WEIGHTS`: more than half of all acts are reading. With the default of five
tabs a little more than half of them are open on average.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

import msgspec

from tidings.testing.load.draws import Draws, Weighted, positive
from tidings.testing.simulators.timeline import Planned, plan

LAPTOP, PHONE = "laptop", "phone"
NETWORKS = ("wifi", "cellular", "vpn")


class Act(Enum):
    """What can happen to a device."""

    OPENED = "opened"
    CLOSED = "closed"
    SLEPT = "slept"
    WOKE = "woke"
    CHANGED_NETWORK = "changed_network"
    READ = "read"


WEIGHTS = {
    Act.OPENED: 2.0,
    Act.CLOSED: 2.0,
    Act.SLEPT: 1.0,
    Act.WOKE: 10.0,
    Act.CHANGED_NETWORK: 1.0,
    Act.READ: 8.0,
}
"""For each device that can do it. Waking is so likely because little else can happen meanwhile."""


class DeviceEvent(msgspec.Struct, frozen=True, kw_only=True, tag="device_event"):
    """Something happened on a device: `tab-1`, `tab-2` …, `phone`; what happens to all tabs at once to `laptop`.

    `network` is the new one after `changed_network`, and "" otherwise.
    """

    user: str
    device: str
    act: Act
    network: str = ""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """An endless sequence of `rate` acts a second on average, in the channel `devices`. `by` is the device."""

    seed: int
    user: str = "user-1"
    tabs: int = 5
    phone: bool = True
    rate: float = 0.2
    channel: str = "devices"

    def __post_init__(self) -> None:
        positive(rate=self.rate, devices=self.tabs + self.phone)

    def events(self) -> Iterator[Planned[DeviceEvent]]:
        """What happens, from the beginning each time; at first nothing is open and everything awake."""
        draws, at = Draws(self.seed, "person", self.user), 0.0
        devices = Devices([f"tab-{number}" for number in range(1, self.tabs + 1)], has_phone=self.phone)
        while True:
            at += draws.gap(self.rate)
            possible = devices.possible()
            act, device = Weighted(possible, [WEIGHTS[act] for act, _ in possible]).draw(draws)
            network = devices.perform(act, device, draws)
            event = DeviceEvent(user=self.user, device=device, act=act, network=network)
            yield plan(at, self.channel, event, by=device)


class Devices:
    """Which devices are open and which sleep, and what can happen next."""

    def __init__(self, tabs: list[str], *, has_phone: bool) -> None:
        self._homes = dict.fromkeys(tabs, LAPTOP) | ({PHONE: PHONE} if has_phone else {})
        """Every device that can be open, and the machine that it is on."""
        self._networks = dict.fromkeys(self._homes.values(), NETWORKS[0])
        self.open: set[str] = set()
        self.asleep: set[str] = set()

    def possible(self) -> list[tuple[Act, str]]:
        """In a fixed order, as the same seed has to give the same acts."""
        acts: list[tuple[Act, str]] = []
        for machine in self._networks:
            acts += [(Act.WOKE, machine)] if machine in self.asleep else self._awake(machine)
        return acts

    def perform(self, act: Act, device: str, draws: Draws) -> str:
        """Let it happen. Returns the network that a machine is on now, if that is what has changed."""
        match act:
            case Act.OPENED:
                self.open.add(device)
            case Act.CLOSED:
                self.open.discard(device)
            case Act.SLEPT:
                self.asleep.add(device)
            case Act.WOKE:
                self.asleep.discard(device)
            case Act.CHANGED_NETWORK:
                others = [network for network in NETWORKS if network != self._networks[device]]
                self._networks[device] = draws.one_of(others)
                return self._networks[device]
            case Act.READ:
                pass
        return ""

    def _awake(self, machine: str) -> list[tuple[Act, str]]:
        devices = [device for device, home in self._homes.items() if home == machine]
        acts: list[tuple[Act, str]] = [
            (act, device)
            for device in devices
            for act in ((Act.CLOSED, Act.READ) if device in self.open else (Act.OPENED,))
        ]
        if not self.open.isdisjoint(devices):
            acts += [(Act.SLEPT, machine), (Act.CHANGED_NETWORK, machine)]
        return acts
