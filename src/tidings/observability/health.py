"""Whether this process can be used, for load balancers and supervisors.

/health         200 when everything that the process needs is there, else 503 with the reason: send no clients here
/health/live    200 while the event loop turns; when it does not, a restart may help
/health/caller  200 with the address and the scheme that whoever asks is seen with, to try proxies on the way
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Probe = Callable[[], Awaitable[str | None]]
"""Answers None when all is well, otherwise why not, in words that anybody may read. It may be cancelled."""

PATIENCE = 1.0
"""Seconds that a probe may take; a load balancer does not wait for much longer."""

LOGGER = logging.getLogger("tidings")
NO_STORE = {"cache-control": "no-store"}


def routes(probes: Mapping[str, Probe], version: str, *, patience: float = PATIENCE) -> list[Route]:
    """GET /health, which asks all probes at once; /health/live and /health/caller, which ask nobody.

    A probe that raises, or does not answer within `patience` seconds, counts as a bad answer.
    """

    async def health(request: Request) -> Response:
        reasons = await asyncio.gather(*(_ask(name, probe, patience) for name, probe in probes.items()))
        bad = [reason for reason in reasons if reason is not None]
        if bad:
            return JSONResponse({"status": "unavailable", "reason": "; ".join(bad)}, 503, NO_STORE)
        return JSONResponse({"status": "ok", "version": version, **dict.fromkeys(probes, "ok")}, headers=NO_STORE)

    async def live(request: Request) -> Response:
        return JSONResponse({"status": "ok"}, headers=NO_STORE)

    async def caller(request: Request) -> Response:
        address = request.client.host if request.client else ""
        return JSONResponse({"address": address, "scheme": request.url.scheme}, headers=NO_STORE)

    return [Route("/health", health), Route("/health/live", live), Route("/health/caller", caller)]


async def _ask(name: str, probe: Probe, patience: float) -> str | None:
    try:
        async with asyncio.timeout(patience):
            reason = await probe()
    except TimeoutError:
        return f"{name}: no answer within {patience:g} s"
    except Exception:
        # The details are for the operator alone: they may hold addresses and passwords.
        LOGGER.exception("the health probe of the %s failed", name)
        return f"{name}: the probe failed"
    return None if reason is None else f"{name}: {reason}"
