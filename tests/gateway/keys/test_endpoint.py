"""Keys that are fetched: how often, for whom, and what holds while the issuer is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.world.issuer import Issuer, issuer_app

from tidings import events
from tidings.clock import SystemClock
from tidings.errors import KeysUnavailable
from tidings.gateway.keys.endpoint import Endpoint
from tidings.hooks import Hooks

pytestmark = [pytest.mark.world, pytest.mark.L3]

INTERVAL = 0.3
PATIENCE = 10.0


@pytest.fixture(scope="module")
def app() -> Iterator[Issuer]:
    with issuer_app() as app:
        issuer = Issuer(app)
        for kid in ("a", "b"):
            issuer.add(kid)
        yield issuer


@pytest.fixture
def issuer(app: Issuer) -> Issuer:
    """With one key."""
    if not app.app.is_running:
        app.app.restart()
    app.publish("a")
    return app


class Witness:
    """Hears the facts of an endpoint."""

    def __init__(self) -> None:
        self.fetched: list[events.KeysFetched] = []
        self.missed: list[events.KeysUnreachable] = []

    def __call__(self, fact: events.Fact) -> None:
        if isinstance(fact, events.KeysFetched):
            self.fetched.append(fact)
        elif isinstance(fact, events.KeysUnreachable):
            self.missed.append(fact)


@asynccontextmanager
async def endpoint(issuer: Issuer, ttl: float = 3600.0, **options: Any) -> AsyncIterator[tuple[Endpoint, Witness]]:
    witness = Witness()
    options = {"interval": INTERVAL, "draw": lambda: 0.5, **options}
    found = Endpoint(issuer.url, ttl, source="auth", hooks=Hooks(witness), clock=SystemClock(), **options)
    found.start()
    try:
        yield found, witness
    finally:
        await found.stop()


def knows(endpoint: Endpoint, kid: str) -> bool:
    return bool(endpoint.find(kid, "ES256"))


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not is_so():
            await asyncio.sleep(0.01)


async def test_keys_are_there_soon_after_the_start(issuer: Issuer) -> None:
    async with endpoint(issuer) as (keys, witness):
        await until(lambda: knows(keys, "a"))
        assert witness.fetched == [events.KeysFetched("auth", 1, 0, True)]


async def test_who_comes_before_them_waits_for_the_first_request(issuer: Issuer) -> None:
    """However many they are, there is one request."""
    before = issuer.asked
    async with endpoint(issuer) as (keys, _):
        await asyncio.gather(*(keys.learn() for _ in range(100)))
        assert knows(keys, "a")
        assert issuer.asked == before + 1


async def test_an_unknown_key_makes_one_request_for_all(issuer: Issuer) -> None:
    """It begins after they have come, so that what it brings is not older than their tokens."""
    async with endpoint(issuer) as (keys, _):
        await keys.learn()
        issuer.publish("a", "b")
        before = issuer.asked
        await asyncio.gather(*(keys.learn() for _ in range(100)))
        assert knows(keys, "b")
        assert issuer.asked == before + 1


async def test_forged_keys_do_not_hammer_the_issuer(issuer: Issuer) -> None:
    """Clients that come all the time with names of no key: one request per interval, and no more."""
    async with endpoint(issuer) as (keys, _):
        await keys.learn()
        before, loop = issuer.asked, asyncio.get_running_loop()
        end = loop.time() + 4 * INTERVAL
        while loop.time() < end:
            await asyncio.gather(*(keys.learn() for _ in range(20)))
        assert issuer.asked - before <= 6


async def test_keys_are_fetched_again_before_their_time_is_over(issuer: Issuer) -> None:
    """In the background; a key that is withdrawn is forgotten with it."""
    async with endpoint(issuer, ttl=0.5) as (keys, witness):
        await keys.learn()
        issuer.publish("b")
        await until(lambda: knows(keys, "b"))
        assert not knows(keys, "a")
        await until(lambda: len(witness.fetched) >= 3)
        assert [fact.changed for fact in witness.fetched].count(True) == 2


async def test_an_issuer_that_is_down_is_missed_by_nobody_who_is_known(issuer: Issuer) -> None:
    """The keys stay, the operator is told, and it is tried until it is there again."""
    async with endpoint(issuer, ttl=0.4, draw=lambda: 0.1) as (keys, witness):
        await keys.learn()
        issuer.app.kill()
        await until(lambda: len(witness.missed) >= 2)
        assert knows(keys, "a")
        assert (witness.missed[0].source, witness.missed[0].kept) == ("auth", 1)
        issuer.app.restart()
        issuer.publish("b")
        await until(lambda: knows(keys, "b"))


async def test_who_is_not_known_is_told_at_once_while_it_is_down(issuer: Issuer) -> None:
    """Waiting for the end of a pause would help nobody."""
    issuer.publish("a", mode="500")
    async with endpoint(issuer, draw=lambda: 0.999) as (keys, witness):
        with pytest.raises(KeysUnavailable):
            await keys.learn()
        assert witness.missed[0].reason == "the answer has status 500"
        before = issuer.asked
        for _ in range(50):
            with pytest.raises(KeysUnavailable):
                await keys.learn()
        assert issuer.asked == before


async def test_an_answer_that_hangs_is_waited_for_to_a_bound(issuer: Issuer) -> None:
    issuer.publish("a", mode="hanging")
    async with endpoint(issuer, timeout=0.2) as (keys, _):
        async with asyncio.timeout(2.0):
            with pytest.raises(KeysUnavailable):
                await keys.learn()


async def test_an_empty_set_withdraws_all_keys(issuer: Issuer) -> None:
    """And whoever has a token of one comes back later, because an issuer without keys is one that has a problem."""
    async with endpoint(issuer) as (keys, witness):
        await keys.learn()
        issuer.publish()
        with pytest.raises(KeysUnavailable):
            await keys.learn()
        assert not knows(keys, "a")
        assert witness.fetched[-1].keys == 0


async def test_lies_change_nothing(issuer: Issuer) -> None:
    async with endpoint(issuer) as (keys, witness):
        await keys.learn()
        for mode in ("html", "moved"):
            issuer.publish("b", mode=mode)
            keys.refresh()
            seen = len(witness.missed)
            await until(lambda seen=seen: len(witness.missed) > seen)
            assert knows(keys, "a")
            issuer.publish("a")
            keys.refresh()
            count = len(witness.fetched)
            await until(lambda count=count: len(witness.fetched) > count)


async def test_stopping_lets_nobody_wait(issuer: Issuer) -> None:
    issuer.publish("a", mode="hanging")
    async with endpoint(issuer) as (keys, _):
        waiting = [asyncio.create_task(keys.learn()) for _ in range(3)]
        await asyncio.sleep(0)
        await keys.stop()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(outcome, KeysUnavailable) for outcome in outcomes)
        with pytest.raises(KeysUnavailable):
            await keys.learn()
