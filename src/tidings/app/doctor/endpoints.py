"""Whom the server calls: the endpoints of webhooks, and the collector of spans. Whether somebody is there.

Nothing is asked of them; every call would mean something.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

from msgspec import Struct

from tidings.app.settings import Settings
from tidings.app.settings.masking import shown
from tidings.findings import Finding, Level
from tidings.gateway.transports import encryption

PATIENCE = 5.0


class Callee(Struct, frozen=True):
    """Somebody at an address. `without` is what follows while nobody is there, and `level` how bad that is."""

    subject: str
    url: str
    setting: str
    without: str
    level: Level
    ca_file: str = ""
    timeout: float = PATIENCE


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Open a connection to each, all at the same time, and close it again."""
    for finding in await asyncio.gather(*map(_reach, _callees(settings))):
        yield finding


def _callees(settings: Settings) -> Iterator[Callee]:
    for event, proxy in settings.proxy:
        if proxy.endpoint:
            without = "what it decides is refused, and what it is told waits"
            setting = f"[proxy.{event}] endpoint"
            yield Callee("webhook", proxy.endpoint, setting, without, Level.PROBLEM, proxy.ca_file, proxy.timeout)
    if settings.tracing.enabled and settings.tracing.endpoint:
        yield Callee(
            "collector", settings.tracing.endpoint, "[tracing] endpoint", "spans are lost, and counted", Level.WARNING
        )


async def _reach(callee: Callee) -> Finding:
    where, address = str(shown(callee.url)), urlsplit(callee.url)
    port, context = address.port or 80, None
    try:
        async with asyncio.timeout(callee.timeout):
            if address.scheme == "https":
                port = address.port or 443
                context = await asyncio.to_thread(encryption.outward, callee.ca_file)
            _, writer = await asyncio.open_connection(address.hostname, port, ssl=context)
            writer.close()
    except (OSError, UnicodeError) as error:  # TimeoutError is an OSError.
        reason = str(error).rstrip(".") or f"no answer within {callee.timeout:g} s"
        text = f"{reason}. Until somebody is at {callee.setting}, {callee.without}."
        return Finding(callee.level, where, callee.subject, text)
    return Finding(Level.OK, where, callee.subject, f"takes connections for {callee.setting}.")
