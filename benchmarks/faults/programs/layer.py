"""A channel layer of channels_redis: `layer.py send|hear|hear-anew CLASS URL`.

`hear` joins the group once and asks for messages for ever, also when that raises. `hear-anew` does what a consumer does
whose client reconnects: it comes back with another channel, and joins the group with that.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from typing import Any

from told import ended, publish_on_command, tell

GROUP = "news"
PAUSE = 0.1
"""Seconds until a consumer that failed is there again."""


async def send(layer: Any) -> None:
    await publish_on_command(lambda id: layer.group_send(GROUP, {"type": "news", "id": id}))


async def hear(layer: Any, *, anew: bool) -> None:
    channel = await join(layer)
    tell("ready")
    while True:
        try:
            tell("got", id=(await layer.receive(channel))["id"])
        except Exception as error:
            tell("failed", why=f"{type(error).__name__}: {error}"[:200])
            await asyncio.sleep(PAUSE)
            if anew:
                channel = await join(layer)


async def join(layer: Any) -> str:
    """A channel that is in the group, as soon as that can be had."""
    while True:
        try:
            channel = await layer.new_channel()
            await layer.group_add(GROUP, channel)
        except Exception as error:
            tell("failed", why=f"{type(error).__name__}: {error}"[:200])
            await asyncio.sleep(PAUSE)
        else:
            return str(channel)


async def main() -> None:
    role, name, url = sys.argv[1:]
    module, _, kind = name.rpartition(".")
    layer = getattr(importlib.import_module(module), kind)(hosts=[url])
    if role == "send":
        await send(layer)
        return
    hearing = asyncio.create_task(hear(layer, anew=role == "hear-anew"))
    await asyncio.wait([hearing, asyncio.create_task(ended())], return_when=asyncio.FIRST_COMPLETED)
    hearing.cancel()


if __name__ == "__main__":
    asyncio.run(main())
