"""docs/clients.md: its example works against a server, and its codes are those of the code."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from centrifuge import PublicationContext, SubscriptionEventHandler
from tests.docs.pages import blocks, page, rows, section
from tests.world.backend import SECRET, Backend, token
from tests.world.centrifuge_python.conftest import everything_is_closed
from tests.world.settings import KEY

from tidings import errors
from tidings.gateway.session.policy import Rules
from tidings.testing import TidingsNode
from tidings.wire.centrifuge import codes

pytestmark = pytest.mark.world

PAGE = page("clients.md")
SETTINGS = {
    "auth": {"hmac_secret": SECRET},
    "api": {"key": KEY},
    "channels": {"allow_subscribe_for_client": True},
}


@pytest.fixture
def server() -> Iterator[TidingsNode]:
    with TidingsNode(SETTINGS) as server:
        yield server


class Reader(SubscriptionEventHandler):
    def __init__(self) -> None:
        self.heard: asyncio.Queue[object] = asyncio.Queue()

    async def on_publication(self, ctx: PublicationContext) -> None:
        self.heard.put_nowait(ctx.pub.data)


async def test_the_example_connects(server: TidingsNode) -> None:
    """With the official library, unchanged."""
    (code,) = blocks(PAGE, "python")
    namespace: dict[str, object] = {}
    exec(code.replace("ws://127.0.0.1:8000", server.url.replace("http", "ws")).replace("…", token("42")), namespace)
    client, news, reader = namespace["client"], namespace["news"], Reader()
    news.events = reader  # type: ignore[attr-defined]
    await client.connect()  # type: ignore[attr-defined]
    await news.subscribe()  # type: ignore[attr-defined]
    await news.ready(timeout=10)  # type: ignore[attr-defined]
    with Backend(server.url) as backend:
        await asyncio.to_thread(backend.publish, "news", {"text": "hello"})
    async with asyncio.timeout(10):
        assert await reader.heard.get() == {"text": "hello"}
    await client.disconnect()  # type: ignore[attr-defined]
    await everything_is_closed()


def test_the_codes_of_connections_exist() -> None:
    """All but the application's own, and 1009, which is WebSocket's."""
    known = {one.code for one in vars(codes).values() if isinstance(one, codes.Disconnect)}
    listed = [cells[0] for cells in rows(section(PAGE, "What ends, and how"))]
    numbers = {int(code) for cell in listed if "–" not in cell for code in cell.split(", ")}
    assert numbers - {1009} <= known


def test_the_codes_of_commands_exist() -> None:
    known = {one.code for one in vars(errors).values() if isinstance(one, type) and hasattr(one, "code")}
    text = section(PAGE, "What ends, and how")
    listed = [cells[0] for cells in rows(text[text.index("| code | the command |") :])]
    assert {int(code) for code in listed if code.isdigit()} <= known


def test_numbers_are_those_of_the_code() -> None:
    assert f"has {Rules().expiry_grace:.0f} seconds for it" in " ".join(PAGE.split())
