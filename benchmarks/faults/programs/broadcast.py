"""encode/broadcaster: `broadcast.py send|hear URL`."""

from __future__ import annotations

import asyncio
import sys

from broadcaster import Broadcast
from told import ended, publish_on_command, tell

CHANNEL = "news"


async def hear(broadcast: Broadcast) -> None:
    async with broadcast.subscribe(CHANNEL) as subscriber:
        tell("ready")
        async for event in subscriber:
            tell("got", id=event.message)


async def main() -> None:
    role, url = sys.argv[1:]
    async with Broadcast(url) as broadcast:
        if role == "send":
            await publish_on_command(lambda id: broadcast.publish(CHANNEL, id))
            return
        hearing = asyncio.create_task(hear(broadcast))
        await asyncio.wait([hearing, asyncio.create_task(ended())], return_when=asyncio.FIRST_COMPLETED)
        if hearing.done():
            tell("failed", why=repr(hearing.exception()))
            await ended()
        hearing.cancel()


if __name__ == "__main__":
    asyncio.run(main())
