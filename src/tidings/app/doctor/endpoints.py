"""The endpoints of webhooks: whether somebody is there. Nothing is asked of them; every call would mean something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from tidings.app.settings import Settings
from tidings.app.settings.masking import shown
from tidings.findings import Finding, Level
from tidings.gateway.transports import encryption


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Open a connection to each, all at the same time, and close it again."""
    told = [(event, proxy) for event, proxy in settings.proxy if proxy.endpoint]
    for finding in await asyncio.gather(
        *(_reach(event, proxy.endpoint, proxy.ca_file, proxy.timeout) for event, proxy in told)
    ):
        yield finding


async def _reach(event: str, url: str, ca_file: str, timeout: float) -> Finding:
    where, address = str(shown(url)), urlsplit(url)
    is_encrypted = address.scheme == "https"
    try:
        async with asyncio.timeout(timeout):
            context = await asyncio.to_thread(encryption.outward, ca_file) if is_encrypted else None
            _, writer = await asyncio.open_connection(
                address.hostname, address.port or (443 if is_encrypted else 80), ssl=context
            )
            writer.close()
    except (OSError, UnicodeError) as error:  # TimeoutError is an OSError.
        reason = str(error).rstrip(".") or f"no answer within {timeout:g} s"
        return Finding(
            Level.PROBLEM,
            where,
            "webhook",
            f"{reason}. Until [proxy.{event}] endpoint is there, what it decides is refused; what it is told waits.",
        )
    return Finding(Level.OK, where, "webhook", f"takes connections for [proxy.{event}].")
