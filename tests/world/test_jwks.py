"""A server whose tokens are signed with published keys, as its clients see it when the issuer is well and when not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from tests.world.backend import token
from tests.world.command import PATIENCE
from tests.world.issuer import Issuer, issuer_app
from tests.world.settings import KEY, SECRET

from tidings.gateway.keys.endpoint import INTERVAL
from tidings.gateway.keys.retrieval import TIMEOUT
from tidings.testing import Client, TidingsNode
from tidings.testing.clients import ConversationError, ReplyError

pytestmark = [pytest.mark.world, pytest.mark.L3]

CHANNELS = {"namespaces": {"plain": {"allow_subscribe_for_client": True}}}


@pytest.fixture(scope="module")
def app() -> Iterator[Issuer]:
    with issuer_app() as app:
        issuer = Issuer(app)
        for kid in ("a", "b", "late", "nobody's"):
            issuer.add(kid)
        yield issuer


@pytest.fixture
def issuer(app: Issuer) -> Issuer:
    """With one key."""
    if not app.app.is_running:
        app.app.restart()
    app.publish("a")
    return app


@pytest.fixture(scope="module")
def node(app: Issuer) -> Iterator[TidingsNode]:
    app.publish("a")
    with TidingsNode(settings_of(jwks_url=app.url, hmac_secret=SECRET)) as node:
        yield node


def settings_of(**auth: Any) -> dict[str, Any]:
    return {"auth": auth, "api": {"key": KEY}, "channels": CHANNELS}


def client(node: TidingsNode, token: str) -> Client:
    return Client(node.websocket, token=token, patience=PATIENCE)


async def outcome(node: TidingsNode, token: str) -> tuple[int, bool]:
    """What becomes of a new client: 0 if it is let in, else the code, and whether it may come back."""
    try:
        async with client(node, token):
            return 0, True
    except ReplyError as error:
        return error.code, error.temporary
    except ConversationError as error:
        assert error.closing is not None
        return error.closing.code, error.closing.code < 3500


async def metric(node: TidingsNode, name: str) -> float:
    async with httpx2.AsyncClient() as http:
        lines = (await http.get(f"{node.url}/metrics")).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


async def test_published_keys_let_in_and_new_ones_too(node: TidingsNode, issuer: Issuer) -> None:
    """Connections and subscriptions alike; a key of nobody's lets nobody in, and the operator reads its name."""
    async with client(node, issuer.token("ada", "a")) as ada:
        await ada.subscribe("plain:one")
        issuer.publish("a", "b")
        await ada.subscribe("$plain:one", token=issuer.token("ada", "b", channel="$plain:one"))
        await ada.refresh(issuer.token("ada", "b"))
        assert await outcome(node, issuer.token("eve", "nobody's")) == (3500, False)
        line = await asyncio.to_thread(node.process.line, "token refused")
        assert "unknown_key" in line and "nobody's" in line
        assert await metric(node, 'tidings_tokens_refused_total{kind="connection",reason="unknown_key"}') == 1
        assert await metric(node, 'tidings_keys{source="auth"}') == 2


async def test_forgers_do_not_hammer_the_issuer_nor_delay_anybody(node: TidingsNode, issuer: Issuer) -> None:
    """A hundred of them wait together; whoever's key is known is let in meanwhile."""
    assert await outcome(node, issuer.token("ada", "a")) == (0, True)
    before, began = issuer.asked, time.monotonic()
    forged = issuer.token("eve", "nobody's")
    eves = [asyncio.create_task(outcome(node, forged)) for _ in range(100)]
    assert await outcome(node, issuer.token("ada", "a")) == (0, True)
    assert set(await asyncio.gather(*eves)) == {(3500, False)}
    assert issuer.asked - before <= 2 + (time.monotonic() - began) / INTERVAL


async def test_a_server_that_starts_before_its_issuer(issuer: Issuer) -> None:
    """Starts; who has another key is let in, who would need the issuer's is told to come back, and then is let in."""
    issuer.app.kill()
    async with TidingsNode(settings_of(jwks_url=issuer.url, hmac_secret=SECRET)) as node:
        await asyncio.to_thread(node.process.line, "keys not fetched")
        assert await outcome(node, token("ada")) == (0, True)
        assert await outcome(node, issuer.token("ada", "a")) == (100, True)
        assert await metric(node, 'tidings_keys_away{source="auth"}') == 1
        issuer.app.restart()
        issuer.publish("a")
        async with asyncio.timeout(PATIENCE):
            while await outcome(node, issuer.token("ada", "a")) != (0, True):
                await asyncio.sleep(0.05)
        assert await metric(node, 'tidings_keys_away{source="auth"}') == 0


async def test_an_issuer_that_hangs_delays_nobody_who_is_known(node: TidingsNode, issuer: Issuer) -> None:
    """It holds up its own new keys alone."""
    assert await outcome(node, issuer.token("ada", "a")) == (0, True)
    issuer.publish("late", mode="hanging")
    waiting = asyncio.create_task(outcome(node, issuer.token("bob", "late")))
    began = time.monotonic()
    assert await outcome(node, issuer.token("ada", "a")) == (0, True)
    assert not waiting.done() and time.monotonic() - began < TIMEOUT
    waiting.cancel()


async def test_several_issuers_and_subscriptions_of_their_own(issuer: Issuer) -> None:
    """Each issuer lets in with its own keys alone, and subscription tokens have keys of their own."""
    other = "the secret of subscriptions, 32 characters"
    settings = settings_of(
        hmac_secret=SECRET,
        issuers={"idp": {"issuer": "https://idp.test", "jwks_url": issuer.url, "claims": {"user": "/ids/tidings"}}},
        subscription={"hmac_secret": other},
    )
    async with TidingsNode(settings) as node:
        theirs = issuer.token("x", "a", iss="https://idp.test", ids={"tidings": "ada"})
        assert await outcome(node, issuer.token("ada", "a")) == (3500, False)
        assert await outcome(node, token("ada", iss="https://idp.test")) == (3500, False)
        assert await outcome(node, token("ada", secret=other)) == (3500, False)
        async with client(node, theirs) as ada:
            with pytest.raises(ReplyError) as raised:
                await ada.subscribe("$plain:one", token=token("ada", channel="$plain:one"))
            assert raised.value.code == 103
            await ada.subscribe("$plain:one", token=token("ada", secret=other, channel="$plain:one"))
