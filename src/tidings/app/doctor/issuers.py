"""The issuers' key sets: whether they can be fetched, and hold keys that count."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from tidings.app.settings import Settings
from tidings.app.settings.complaints import heading
from tidings.findings import Finding, Level
from tidings.gateway.keys.retrieval import Unreachable, retrieve, shown


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Fetch each key set once, all at the same time."""
    places = dict(_places(settings))
    for finding in await asyncio.gather(*(_fetch(place, url) for place, url in places.items())):
        yield finding


def _places(settings: Settings) -> Iterator[tuple[str, str]]:
    auth = settings.auth
    for section, signers in (("auth", auth), ("auth.subscription", auth.subscription)):
        for place, signer in signers.signers(section):
            if signer.jwks_url:
                yield heading(place), signer.jwks_url


async def _fetch(place: str, url: str) -> Finding:
    where = shown(url)
    try:
        keys = (await retrieve(url)).keys
    except Unreachable as error:
        return Finding(
            Level.PROBLEM,
            where,
            "keys",
            f"{error}. Until {place} jwks_url answers with keys, nobody whose token it signed can connect.",
        )
    if not len(keys):
        return Finding(Level.PROBLEM, where, "keys", f"none that counts for {place}; RSA, EC and OKP keys would.")
    if not url.startswith("https"):
        return Finding(
            Level.WARNING,
            where,
            "keys",
            f"fetched without TLS: whoever is on the way decides who may connect ({place}).",
        )
    return Finding(Level.OK, where, "keys", f"{len(keys)} for {place}.")
