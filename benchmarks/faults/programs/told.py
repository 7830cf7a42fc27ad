"""What the programs of the benchmark tell whoever started them: a line of JSON for everything that happens.

Times are the machine's monotonic clock, which all processes share. These programs run beside the peers' libraries,
where nothing of Tidings is installed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable


def tell(what: str, **more: object) -> None:
    """`what` is one of ready, began, accepted, raised, got, told, failed, finished."""
    print(json.dumps({"at": time.monotonic(), "what": what, **more}), flush=True)


async def line() -> str:
    """The next line of the standard input, "" when there is none any more."""
    return await asyncio.to_thread(sys.stdin.readline)


async def ended() -> None:
    """Wait until whoever started this wants no more."""
    while await line():
        pass


async def publish_on_command(publish: Callable[[str], Awaitable[object]], *, patience: float = 15.0) -> None:
    """Publish an id every so often, for so many seconds, as one line says; each call at its time, whatever becomes of
    those before it. A call that has not ended after `patience` seconds is given up."""
    tell("ready")
    seconds, interval = map(float, (await line()).split())
    began = time.monotonic()
    calls = []
    for number in range(round(seconds / interval)):
        await asyncio.sleep(max(0.0, began + number * interval - time.monotonic()))
        calls.append(asyncio.create_task(_publish_one(publish, f"p-{number}", patience)))
    await asyncio.gather(*calls)
    tell("finished")


async def _publish_one(publish: Callable[[str], Awaitable[object]], id: str, patience: float) -> None:
    tell("began", id=id)
    try:
        async with asyncio.timeout(patience):
            result = await publish(id)
    except Exception as error:
        tell("raised", id=id, why=f"{type(error).__name__}: {error}"[:200])
    else:
        tell("accepted", id=id, **(result if isinstance(result, dict) else {}))
