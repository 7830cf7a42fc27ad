"""Django Channels with its layer in memory: consumers that join a group. `POST /publish` sends each line to the group.

The endpoint is plain ASGI rather than a view of Django's, which would cost more.
"""

from __future__ import annotations

from typing import Any

import django
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import path

settings.configure(
    SECRET_KEY="of the benchmarks",
    ALLOWED_HOSTS=["*"],
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
    LOGGING_CONFIG=None,
)
django.setup()

GROUP = "bench"


class Listener(AsyncWebsocketConsumer):
    """The tutorial's chat consumer; what a client says joins it to the group."""

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self.channel_layer.group_add(GROUP, self.channel_name)
        await self.send(text_data='{"joined":true}')

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(GROUP, self.channel_name)

    async def news(self, event: dict[str, Any]) -> None:
        await self.send(text_data=event["text"])


async def publish(scope: dict[str, Any], receive: Any, send: Any) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    layer = get_channel_layer()
    for line in body.decode().splitlines():
        await layer.group_send(GROUP, {"type": "news", "text": line})
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


application = ProtocolTypeRouter({"http": publish, "websocket": URLRouter([path("", Listener.as_asgi())])})
