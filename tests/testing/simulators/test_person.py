"""A person's devices: nothing happens that cannot, and everything happens sometimes."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

from tidings.testing.simulators import Act, Person
from tidings.testing.simulators.person import LAPTOP, NETWORKS, PHONE

pytestmark = pytest.mark.core

TABS = {f"tab-{number}" for number in range(1, 6)}
EVENTS = list(islice(Person(seed=2).events(), 20_000))
ACTS = [event.data for event in EVENTS]


def test_everything_happens() -> None:
    found = Counter((act.act, act.device) for act in ACTS)
    devices = {act: {device for kind, device in found if kind is act} for act in Act}
    assert devices[Act.OPENED] == devices[Act.CLOSED] == devices[Act.READ] == {*TABS, PHONE}
    assert devices[Act.SLEPT] == devices[Act.WOKE] == devices[Act.CHANGED_NETWORK] == {LAPTOP, PHONE}
    assert found.total() == 20_000


def test_only_what_is_closed_opens_and_only_what_is_open_closes_or_reads() -> None:
    opened: set[str] = set()
    for act in ACTS:
        if act.act is Act.OPENED:
            assert act.device not in opened
            opened.add(act.device)
        if act.act in (Act.CLOSED, Act.READ):
            assert act.device in opened
        if act.act is Act.CLOSED:
            opened.remove(act.device)


def test_who_sleeps_only_wakes() -> None:
    """A sleeping laptop takes its tabs along, and not the phone."""
    asleep: set[str] = set()
    for act in ACTS:
        machine = PHONE if act.device == PHONE else LAPTOP
        assert (machine in asleep) == (act.act is Act.WOKE)
        if act.act is Act.SLEPT:
            asleep.add(machine)
        if act.act is Act.WOKE:
            asleep.remove(machine)


def test_a_machine_without_anything_open_does_nothing() -> None:
    opened: Counter[str] = Counter()
    for act in ACTS:
        machine = PHONE if act.device == PHONE else LAPTOP
        if act.act in (Act.SLEPT, Act.CHANGED_NETWORK):
            assert opened[machine] > 0
        opened[machine] += {Act.OPENED: 1, Act.CLOSED: -1}.get(act.act, 0)


def test_networks_change() -> None:
    """From wifi at first, and never to the same one."""
    networks = {LAPTOP: "wifi", PHONE: "wifi"}
    for act in ACTS:
        assert (act.network != "") == (act.act is Act.CHANGED_NETWORK)
        if act.network:
            assert act.network in NETWORKS and act.network != networks[act.device]
            networks[act.device] = act.network


def test_several_tabs_are_open_at_once() -> None:
    """All five now and then, and a little more than half on average."""
    opened: set[str] = set()
    time, last = Counter[int](), 0.0
    for event in EVENTS:
        time[len(opened & TABS)] += event.at - last  # type: ignore[assignment]
        last = event.at
        if event.data.act is Act.OPENED:
            opened.add(event.data.device)
        if event.data.act is Act.CLOSED:
            opened.remove(event.data.device)
    assert set(time) == set(range(6))
    assert sum(number * spent for number, spent in time.items()) / last == pytest.approx(2.7, abs=0.3)


def test_most_acts_are_reading() -> None:
    assert sum(act.act is Act.READ for act in ACTS) > len(ACTS) / 2


def test_fewer_devices() -> None:
    """One tab without a phone, or a phone alone; nobody has nothing."""
    assert {event.data.device for event in islice(Person(seed=1, tabs=1, phone=False).events(), 200)} == {
        "tab-1",
        LAPTOP,
    }
    assert {event.data.device for event in islice(Person(seed=1, tabs=0).events(), 200)} == {PHONE}
    with pytest.raises(ValueError, match="devices is 0"):
        Person(seed=1, tabs=0, phone=False)
