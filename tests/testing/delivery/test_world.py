"""A real server, real clients, and a line that is cut: the run is proved, and tampering with it is found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from msgspec.structs import replace
from tests.world.backend import token
from tests.world.settings import KEY, SECRET

from tidings.testing.clients import Client
from tidings.testing.delivery import (
    AnyRecord,
    ChannelRules,
    Delivered,
    History,
    How,
    Invariant,
    Observer,
    PresenceSeen,
    PromiseBroken,
    Recorder,
    Rules,
    Verdict,
    check,
    stamped,
)
from tidings.testing.faults import FaultProxy
from tidings.testing.services import TidingsNode

pytestmark = [pytest.mark.world, pytest.mark.L3]

PATIENCE = 20.0
OPEN = {"allow_subscribe_for_client": True}
SETTINGS = {
    "auth": {"hmac_secret": SECRET},
    "api": {"key": KEY},
    "client": {"personal_channel": False},
    "channels": {
        "namespaces": {
            "kept": {
                **OPEN,
                "history_size": 1000,
                "history_ttl": 60.0,
                "force_recovery": True,
                "presence": True,
                "allow_presence_for_subscriber": True,
            },
            "live": OPEN,
        }
    },
}
CHANNELS = ["kept:news", "live:ticker"]
RULES = Rules(
    channels={"kept:*": ChannelRules(history=True, allowed=frozenset({"ann", "bob"})), "live:*": ChannelRules()},
    expected_faults=["cut"],
)


@pytest.fixture(scope="module")
def node() -> Iterator[TidingsNode]:
    with TidingsNode(SETTINGS) as node:
        yield node


async def run(node: TidingsNode, name: str) -> History:
    """Several hundred publications, during which ann's line is cut and mended."""
    history = History()
    observer, recorder = Observer(history), Recorder(history)
    channels = [f"{channel}-{name}" for channel in CHANNELS]
    async with (
        httpx2.AsyncClient(base_url=node.url, headers={"X-API-Key": KEY}, timeout=10.0) as http,
        FaultProxy(node.websocket) as proxy,
        Client(proxy.url, token=token("ann"), on_frame=observer.of("ann", "ann"), patience=PATIENCE) as ann,
        Client(node.websocket, token=token("bob"), on_frame=observer.of("bob", "bob"), patience=PATIENCE) as bob,
    ):
        for client in (ann, bob):
            for channel in channels:
                await client.subscribe(channel)

        async def call(channel: str, data: object) -> object:
            answer = await http.post("/api/publish", json={"channel": channel, "data": data})
            answer.raise_for_status()
            return answer.json()

        publish = recorder.publisher(call)

        async def some(first: int) -> None:
            for number in range(first, first + 50):
                for channel in channels:
                    await publish(channel, stamped(f"{channel[:4]}-{number}", n=number))

        await some(1)
        recorder.fault("cut", "ann")
        proxy.cut()
        await some(51)
        proxy.mend()
        returning = asyncio.create_task(ann.reconnect())
        await some(101)
        await returning
        await some(151)
        for client in (ann, bob):
            await client.subscriptions[channels[1]].receive_until(lambda publication: publication.data["n"] == 200)
        assert await ann.presence(channels[0])
    return history


async def test_a_real_run_is_proved(node: TidingsNode, tmp_path: Path) -> None:
    """Everything arrived or was recovered, and all of it was written down."""
    history = await run(node, "proved")
    verdict = check(history, RULES)
    verdict.raise_if_broken()
    kept, live = (verdict.channels[f"{channel}-proved"] for channel in CHANNELS)
    assert (kept.published, kept.acknowledged, kept.delivered, kept.told, kept.lost) == (200, 200, 400, 0, 0)
    assert (live.published, live.acknowledged, live.duplicates) == (200, 200, 0)
    assert live.delivered < 400
    assert any(record.how is How.RECOVERED for record in history if isinstance(record, Delivered))
    assert any(isinstance(record, PresenceSeen) and len(record.clients) == 2 for record in history)
    history.save(tmp_path / "run.jsonl")
    assert check(History.load(tmp_path / "run.jsonl"), RULES) == verdict


Tamper = Callable[[list[AnyRecord], Delivered], None]


def drop(records: list[AnyRecord], delivery: Delivered) -> None:
    records.remove(delivery)


def repeat(records: list[AnyRecord], delivery: Delivered) -> None:
    records.insert(records.index(delivery), delivery)


def alter(records: list[AnyRecord], delivery: Delivered) -> None:
    records[records.index(delivery)] = replace(delivery, data="{}")


def give_to_a_stranger(records: list[AnyRecord], delivery: Delivered) -> None:
    records.insert(records.index(delivery), replace(delivery, client="eve"))


def broken(history: History, tamper: Tamper, how: How) -> Verdict:
    """What is said of a history in which one delivery to ann was tampered with."""
    records = history.records()
    found = [each for each in records if isinstance(each, Delivered) and each.client == "ann" and each.how is how]
    tamper(records, next(each for each in found[5:] if each.channel.startswith("kept:")))
    with pytest.raises(PromiseBroken) as broken:
        check(History(records, origin=0.0), RULES).raise_if_broken()
    return broken.value.verdict


async def test_tampering_is_found(node: TidingsNode) -> None:
    """With what came live, and with what was recovered."""
    history = await run(node, "tampered")
    check(history, RULES).raise_if_broken()
    for tamper, invariant in [
        (drop, Invariant.DELIVERY),
        (repeat, Invariant.DUPLICATES),
        (alter, Invariant.TRUTH),
        (give_to_a_stranger, Invariant.PERMISSION),
    ]:
        for how in (How.LIVE, How.RECOVERED):
            verdict = broken(history, tamper, how)
            assert [each.violation.invariant for each in verdict.broken] == [invariant], f"{tamper.__name__}\n{verdict}"
