"""docs/library.md: its blocks are a program that runs, and does what the page says."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace
from tests.docs.blocks import run
from tests.docs.pages import page as text_of
from tests.docs.pages import rows, section
from tests.gateway.wire import HANDSHAKE, Caller, turn, until

import tidings
from tidings import Tidings, errors
from tidings.app.settings import Settings
from tidings.brokers.base import IDEMPOTENCY_TTL

pytestmark = pytest.mark.shell

PAGE = text_of("library.md")
COOKIE = replace(HANDSHAKE, headers={"x-session": "4d65822107fc"})


@pytest.fixture
async def page() -> AsyncIterator[SimpleNamespace]:
    """The program, after its last block."""
    program = SimpleNamespace(**await run("library.md"))
    yield program
    await program.hub.stop()


async def connected(page: Any, *, user: str = "", handshake: Any = HANDSHAKE) -> Caller:
    caller = Caller(page.hub.node, handshake=handshake)
    assert "connect" in await caller.connect(user)
    return caller


async def test_who_it_is(page: Any) -> None:
    """By the session or by a token; nobody else."""
    assert (await connected(page, handshake=COOKIE)).connection.client.info == {"name": "Ada"}
    assert (await connected(page, user="bob")).connection.user == "bob"
    assert (await Caller(page.hub.node).connect())["error"]["code"] == 103


async def test_orders(page: Any) -> None:
    ada = await connected(page, handshake=COOKIE)
    assert "subscribe" in await ada.subscribe("orders:42")
    assert (await ada.subscribe("orders:43"))["error"]["code"] == 103
    assert "publish" in await ada.ask({"publish": {"channel": "orders:42", "data": "late"}})
    await page.ship(42)
    await turn()
    assert ada.data("orders:42") == [{"by": "ada", "comment": "late"}, {"status": "shipped"}]


async def test_quotes(page: Any) -> None:
    """With the very sentence that the page quotes."""
    ada = await connected(page, handshake=COOKIE)
    assert (await ada.rpc("quote", {"symbol": "TID", "amount": 2}))["rpc"]["data"] == {"symbol": "TID", "total": 8.4}
    assert (await ada.rpc("quote", {"symbol": "X"}))["error"] == {"code": 404, "message": "no such symbol: X"}
    refused = (await ada.rpc("quote", {"amount": 2}))["error"]
    text = " ".join(PAGE.split())
    assert f'is answered error {refused["code"]}, "{refused["message"]}"' in text


async def test_messages(page: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ada = await connected(page, handshake=COOKIE)
    for number in range(100):
        ada.say(f'{{"send":{{"data":{number}}}}}')
        await until(lambda number=number: len(ada.pushes) == number + 1)
    assert ada.pushes[-1] == {"message": {"data": {"thanks for": 99}}}
    ada.say('{"send":{"data":"one too many"}}')
    assert await ada.ended() == (4501, "too talkative")
    await page.hub.stop()
    assert capsys.readouterr().out == "ada left with 4501\n"


async def test_the_hub_is_stopped_with_the_application(page: Any) -> None:
    ada = await connected(page, handshake=COOKIE)
    async with page.lifespan(page.app):
        assert page.hub.node.is_started
    assert ada.wire.end == (3001, "shutdown")


async def test_failures_are_heard_of(page: Any) -> None:
    @page.hub.rpc("fail")
    async def fail(client: Any) -> None:
        raise KeyError("x")

    ada = await connected(page, handshake=COOKIE)
    assert (await ada.rpc("fail"))["error"]["code"] == 100
    assert [type(fact.error) for fact in page.failed] == [KeyError]


def table(heading: str) -> list[str]:
    """The first column of the table below a heading, as it is written."""
    return [cells[0] for cells in rows(section(PAGE, heading))]


async def test_every_decorator_is_there() -> None:
    """No more and no fewer than the hub has."""
    named = [re.match(r"`(\w+)", cell)[1] for cell in table("Deciding")]  # type: ignore[index]
    decorators = [name for name in vars(Tidings) if name.startswith("on_")] + ["rpc"]
    assert sorted(named) == sorted(decorators)


async def test_every_member_of_a_client_is_there() -> None:
    named = [name for cell in table("The client") for name in re.findall(r"`(\w+)", cell)]
    assert sorted(named) == sorted([*(name for name in vars(tidings.Client) if name[0] != "_"), "state"])


async def test_every_error_has_its_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \((\d+)\)", PAGE, re.MULTILINE)
    assert {(name, getattr(errors, name).code) for name, _ in rows} == {(name, int(code)) for name, code in rows}
    assert len(rows) == 6


async def test_the_settings_keep_strangers_out() -> None:
    """Without a secret and without a handler nobody connects, as the page says."""
    async with Tidings(settings={}) as hub:
        stranger = Caller(hub.node)
        stranger.arrive()
        assert await stranger.ended() == (3501, "bad request")


async def test_numbers_are_those_of_the_code() -> None:
    text = " ".join(PAGE.split())
    assert f"up to {Settings().client.command_queue_limit} may wait" in text
    assert "within five minutes" in text
    assert IDEMPOTENCY_TTL == 5 * 60
