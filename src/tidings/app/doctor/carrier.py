"""The broker of the settings: whether it can be reached, and how it is set up."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tidings.app import build, capabilities
from tidings.app.settings import Settings
from tidings.errors import TidingsError
from tidings.findings import Finding, Level

MEMORY = (
    "this process's own memory: what it keeps is gone with it, and one process is all there can be. "
    "Name a Redis for more."
)
AT_MOST_ONCE = "carries publications at most once, and keeps nothing. Name a Redis where history is needed."


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Findings about the broker, whose URL is one that can be. Changes nothing there."""
    name = capabilities.broker_name(settings)
    if name == "memory://":
        yield Finding(Level.OK, name, "broker", MEMORY)
    elif name.startswith("redis"):
        from tidings.brokers.redis import parse
        from tidings.brokers.redis.diagnosis import examine as ask
        from tidings.brokers.redis.diagnosis import judge

        for finding in judge(await ask(parse(settings.broker.url), prefix=settings.broker.prefix)):
            yield finding
    else:
        yield await _reach(settings, name)


async def _reach(settings: Settings, name: str) -> Finding:
    """Of a broker that has no examination of its own: whether a node could start."""
    node = build.node(settings)
    try:
        await node.reach()
    except TidingsError as error:
        return Finding(
            Level.PROBLEM,
            name,
            "reachable",
            f"{error.message}. Is it running, and does it listen on the address of [broker] url?",
        )
    finally:
        await node.stop()
    return Finding(Level.OK, name, "broker", AT_MOST_ONCE)
