"""What the toolkit finds in the chat of a tutorial."""

from pathlib import Path

import pytest

from tidings.testing import AsgiApp, PlainClient
from tidings.testing.clients import ConversationError

pytestmark = pytest.mark.L3


@pytest.fixture
def chat(redis_server_of_class):
    variables = {"REDIS_URL": redis_server_of_class.url}
    with AsgiApp("app:app", folder=Path(__file__).parent, environment=variables) as app:
        yield app.websocket("/chat")


class TestChat:
    async def test_broadcast(self, chat):
        async with PlainClient(chat) as ada, PlainClient(chat) as bob:
            assert await ada.receive() == await bob.receive() == {"welcome": True}
            await ada.send({"text": "hello"})
            assert await ada.receive() == await bob.receive() == {"text": "hello"}

    async def test_one_stalled_client_freezes_everybody(self, chat):
        async with PlainClient(chat) as ada, PlainClient(chat) as bob:
            await bob.receive(), bob.stall(), await ada.receive()
            with pytest.raises(ConversationError):
                for _ in range(300):
                    await ada.send("x" * 60_000)
                    await ada.receive(timeout=2)

    async def test_a_redis_restart_loses_the_subscription(self, chat, redis_server_of_class):
        async with PlainClient(chat) as ada:
            await ada.receive(), redis_server_of_class.kill(), redis_server_of_class.restart()
            redis_server_of_class.ask("PUBLISH", "chat", "after the restart")
            await ada.expect_nothing(within=1)
