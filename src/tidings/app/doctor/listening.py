"""The address that the server is to listen on: free, taken by a Tidings, or by something else."""

from __future__ import annotations

from enum import Enum

import httpx2

from tidings.app.lifecycle import bind
from tidings.app.settings.sections import Server
from tidings.errors import SettingsError
from tidings.findings import Finding, Level
from tidings.gateway.transports.outgoing import HttpClient

PATIENCE = 5.0
"""Seconds that an answer may take."""


class Occupant(Enum):
    """Who has the port."""

    NOBODY = "nobody"
    TIDINGS = "tidings"
    STRANGER = "stranger"


async def examine(server: Server) -> tuple[Occupant, Finding]:
    """Try the address. Binds it for a moment, and listens to nothing."""
    where = server.url()
    try:
        bind(server.host, server.port).close()
    except SettingsError as error:
        if await is_tidings(server):
            return Occupant.TIDINGS, Finding(Level.OK, where, "port", "a Tidings server has it, which is asked below.")
        return Occupant.STRANGER, Finding(Level.PROBLEM, where, "port", error.message)
    return Occupant.NOBODY, Finding(Level.OK, where, "port", "is free; no server runs there yet.")


async def is_tidings(server: Server) -> bool:
    """Whether what listens there answers as we do."""
    # Who it is, and not whether its certificate is good, which has findings of its own.
    async with HttpClient(verify=False, timeout=PATIENCE, trust_env=False) as client:
        try:
            answer = await client.get(f"{server.url()}/health/live")
            return bool(answer.json() == {"status": "ok"})
        except (httpx2.HTTPError, ValueError):
            return False
