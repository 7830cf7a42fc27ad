"""docs/webhooks.md: its receiver and its settings work together, and its tables are those of the code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.docs.pages import blocks, page, rows, section
from tests.world.backend import token
from tests.world.settings import SECRET

from tidings.app.settings import Settings
from tidings.app.settings.sections import NO_NOTICE, Proxies
from tidings.gateway.webhooks import backlog, endpoint, headers, proxies
from tidings.gateway.webhooks.terms import NOT_NOW, Event, Outcome, Refusal, Terms
from tidings.testing import AsgiApp, Client, TidingsNode
from tidings.testing.clients import ConversationError, ReplyError

PAGE = page("webhooks.md")
HERE = "http://127.0.0.1:9000"


@pytest.mark.core
def test_every_event_is_there() -> None:
    named = [name for cells in rows(PAGE) for name in re.findall(r"`(\w+)`", cells[0])]
    assert sorted(named) == sorted(Proxies.model_fields)


@pytest.mark.core
def test_every_outcome_is_there() -> None:
    """But for what happens only to a node that stops."""
    named = [name for cells in rows(section(PAGE, "What goes wrong")) for name in re.findall(r"`(\w+)`", cells[0])]
    assert sorted(named) == sorted(set(Outcome) - {Outcome.CANCELLED})


@pytest.mark.core
def test_statuses_that_are_answers() -> None:
    """In the file as in the environment."""
    part = section(PAGE, "Statuses that are answers")
    (text,) = blocks(part, "toml")
    assert set(Settings.of(tomllib.loads(text)).proxy.subscribe.terms["meanings"]) == {404, 503, 401}
    variable = re.search(r"`(TIDINGS_\w+)='([^']+)'`", " ".join(part.split()))
    assert variable is not None
    settings = Settings.load(Path("/dev/null"), {variable[1]: variable[2]})
    assert settings.proxy.subscribe.terms["meanings"] == {404: Refusal(1404, "", False)}


@pytest.mark.core
def test_numbers_are_those_of_the_code() -> None:
    text = " ".join(PAGE.split())
    assert f"{endpoint.THRESHOLD} calls in a row" in text
    assert f"up to {endpoint.CAP:g} s, then one call tells" in text
    assert f"grows from {backlog.BASE:g} s to {backlog.CAP:g} s" in text
    assert f"`retry_for` seconds ({Terms(Event.DISCONNECT, '').retry_for:g})" in text
    assert NO_NOTICE.retry_for == Terms(Event.DISCONNECT, "").retry_for
    assert ", ".join(map(str, sorted(NOT_NOW))) in text
    assert "after half a minute to a minute" in text and proxies.LATER == 60
    assert headers.SIGNATURE in text.lower()


@pytest.mark.world
@pytest.mark.L3
async def test_the_example(tmp_path: Path) -> None:
    """Who has a session gets in, sees an own order and no other, and is missed when gone."""
    (program,), (settings, *_) = blocks(PAGE, "python"), blocks(PAGE, "toml")
    (tmp_path / "receiver.py").write_text(program)
    with AsgiApp("receiver:app", folder=tmp_path) as receiver:
        values: dict[str, Any] = tomllib.loads(settings.replace(HERE, receiver.url))
        Settings.of(values)
        with TidingsNode({"auth": {"hmac_secret": SECRET}, **values}) as node:
            async with Client(node.websocket, headers={"Cookie": "session=4d65822107fc"}) as ada:
                order = await ada.subscribe("orders:ada")
                assert bytes(order.result.data) == b'{"status":"open"}'
                with pytest.raises(ReplyError, match="403: not your order"):
                    await ada.subscribe("orders:bob")
            with pytest.raises(ConversationError) as refused:
                await Client(node.websocket).connect()
            assert refused.value.closing is not None and refused.value.closing.code == 4501
            async with Client(node.websocket, token=token("bob")) as bob:
                await bob.subscribe("orders:bob")
        assert "500" not in receiver.process.log
