"""Publishing through the HTTP API of a server, one request at a time.

While a request is under way, further orders gather, and go together as the next one: nobody waits for company, and a
thousand callers need no thousand requests. What is repeated, and what not:

Not sent
    There is no connection. It is tried again, with growing pauses, until the order's time is over.
Refused
    The server has done nothing, as with status 429. It is tried again where the server says when.
Unknown
    The connection broke under way, or somebody answered with a status that may mean anything, or at greater length than
    a server has reason to. Orders with an idempotency key are repeated, because the server recognises them; the others
    say that the outcome is unknown.
"""

from __future__ import annotations

import asyncio
import importlib
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import httpx2

from tidings.app.publisher import replies, requests
from tidings.app.publisher.carrier import BATCH, BATCH_BYTES
from tidings.app.publisher.orders import Order, Orders, Outcome, unexpired, unknown
from tidings.balancer.breaker import Breaker
from tidings.errors import InternalError, TidingsError, TooManyRequests
from tidings.gateway.transports.outgoing import LIMIT, HttpClient, Unreadable
from tidings.version import __version__

CONNECT_TIMEOUT = 3.0
PAUSE_LIMIT = 1.0
"""Seconds between two attempts to connect, at most."""

KEEPALIVE = 3.0
"""Seconds that a connection is kept for the next request: less than the five after which uvicorn closes it, since a
request that meets a closing connection has an unknown outcome."""

PATIENCE = 0.2
"""Seconds beyond the deadline of its orders that a request may take, for the answer to get through."""

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


# Libraries below import these when they are first needed, which would be in the thread of the publisher.
for _name in ("httpcore2._backends.anyio", "anyio._backends._asyncio", "encodings.idna"):
    with suppress(ModuleNotFoundError):
        importlib.import_module(_name)


class HttpCarrier:
    """A `Carrier` to the server at `base`, with its key."""

    def __init__(self, base: str, key: str, *, context: ssl.SSLContext, trust_env: bool) -> None:
        self._base = base
        self._headers = {"Content-Type": "application/json", "User-Agent": f"tidings-publisher/{__version__}"}
        if key:
            self._headers["X-API-Key"] = key
        self._context = context
        self._trust_env = trust_env
        self._breaker = Breaker(cap=PAUSE_LIMIT)
        self._not_before = 0.0
        self._trouble = ""
        """Why nothing was sent the last time."""

    async def run(self, orders: Orders) -> None:
        async with self._client() as client:
            while True:
                batch = await orders.take(BATCH, BATCH_BYTES)
                try:
                    while batch := await self._ready(batch):
                        batch = await self._attempt(client, batch)
                except Exception as error:
                    # A fault of ours or of a library below; others shall not wait for a publisher that is gone.
                    self._breaker.failed(time.monotonic())
                    for order in batch:
                        order.settle(unknown(f"{type(error).__name__}: {error}"))

    def _client(self) -> HttpClient:
        return HttpClient(
            verify=self._context,
            headers=self._headers,
            trust_env=self._trust_env,
            # What is on this machine needs no proxy, whatever the environment says.
            mounts={f"all://{host}": None for host in _LOOPBACK},
            limits=httpx2.Limits(max_connections=1, keepalive_expiry=KEEPALIVE),
        )

    async def _ready(self, batch: Sequence[Order]) -> list[Order]:
        """Wait until an attempt makes sense. Answers whose time is not over by then."""
        while left := self._patient(unexpired(batch, self._trouble)):
            now = time.monotonic()
            if now >= self._not_before and self._breaker.attempt(now):
                return left
            until = max(self._not_before, self._breaker.deadline() or 0.0)
            await asyncio.sleep(min(until, *(order.deadline for order in left)) - now)
            batch = left
        return []

    async def _attempt(self, client: HttpClient, batch: list[Order]) -> list[Order]:
        """Make a request. Answers what is to be tried again; everything else is settled."""
        try:
            status, headers, body = await self._post(client, batch)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError) as error:
            return self._unreached(batch, error)
        except (httpx2.TransportError, TimeoutError) as error:
            return self._lost(batch, f"{self._base}: {_said(error)}")
        self._breaker.succeeded()
        try:
            found = replies.outcomes(self._base, status, headers, body, len(batch))
        except replies.Later as later:
            return self._put_off(batch, later.pause)
        except replies.TooLarge:
            return await self._one_by_one(client, batch)
        except replies.Refused as refused:
            return self._refused(batch, refused)
        self._trouble = ""
        kept_back = settle(batch, found)
        return self._put_off(kept_back, replies.reset(headers)) if kept_back else []

    async def _post(self, client: HttpClient, batch: list[Order]) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of what is answered."""
        patience = max(order.remaining for order in batch) + PATIENCE
        try:
            async with asyncio.timeout(patience):
                answer = await client.post(
                    f"{self._base}/api/batch",
                    content=requests.batch(batch),
                    timeout=httpx2.Timeout(patience, connect=min(patience, CONNECT_TIMEOUT)),
                    extensions={LIMIT: replies.limit_bytes(batch)},
                )
        except Unreadable as error:
            if error.response.status_code == httpx2.codes.OK:
                raise
            # A proxy's page, be it as long as it likes. What became of the request is said by the status.
            return error.response.status_code, error.response.headers, b""
        return answer.status_code, answer.headers, answer.content

    # What is left to do.

    def _unreached(self, batch: list[Order], error: Exception) -> list[Order]:
        self._breaker.failed(time.monotonic())
        self._trouble = f"no connection to {self._base}: {_said(error)}"
        if (doubt := _distrust(error)) is None:
            return batch
        for order in batch:
            sentence = f"{self._base} is not to be trusted: {doubt}; verify= names the file of its authority"
            order.settle(InternalError(sentence, temporary=False))
        return []

    def _lost(self, batch: list[Order], why: str) -> list[Order]:
        self._breaker.failed(time.monotonic())
        return self._repeatable(batch, unknown(why))

    def _refused(self, batch: list[Order], refused: replies.Refused) -> list[Order]:
        if not refused.is_unknown:
            for order in batch:
                order.settle(refused.error)
            return []
        error = refused.error
        if not error.temporary:
            for order in batch:
                order.settle(error)
            return []
        self._breaker.failed(time.monotonic())
        return self._repeatable(batch, unknown(error.message))

    def _repeatable(self, batch: list[Order], verdict: TidingsError) -> list[Order]:
        """Those which the server recognises by their key. The others hear the verdict."""
        again = []
        for order in batch:
            if order.idempotency_key and order.remaining:
                again.append(order)
            else:
                order.settle(verdict)
        self._trouble = verdict.message
        return again

    def _put_off(self, batch: list[Order], pause: float) -> list[Order]:
        self._not_before = time.monotonic() + pause
        self._trouble = replies.too_many(pause).message
        return self._patient(batch)

    def _patient(self, batch: list[Order]) -> list[Order]:
        """Those whose time is long enough for the pause that the server asks for; the others hear of it at once."""
        again = []
        for order in batch:
            if order.deadline > self._not_before:
                again.append(order)
            else:
                order.settle(replies.too_many(self._not_before - time.monotonic()))
        return again

    async def _one_by_one(self, client: HttpClient, batch: list[Order]) -> list[Order]:
        """Somebody takes no such large body: nothing was done, and each goes alone."""
        if len(batch) == 1:
            batch[0].settle(replies.too_large(self._base))
            return []
        for order in batch:
            alone = [order]
            while alone := await self._ready(alone):
                alone = await self._attempt(client, alone)
        return []


def settle(batch: Sequence[Order], found: Sequence[Outcome]) -> list[Order]:
    """Tell the callers; answers what a limit of the server's has kept back, of which nothing was done.

    Where a later order of the same thread got through, because the limit's window has moved meanwhile, the earlier one
    is not tried again: it would come after it.
    """
    refused: list[Order] = []
    passed: set[int] = set()
    for order, outcome in reversed(list(zip(batch, found, strict=True))):
        if isinstance(outcome, TooManyRequests) and order.thread not in passed:
            refused.append(order)
        else:
            passed.add(order.thread)
            order.settle(outcome)
    return refused[::-1]


def _said(error: BaseException) -> str:
    """What a library said, which is sometimes nothing."""
    return str(error).rstrip(".") or type(error).__name__


def _distrust(error: BaseException | None) -> str | None:
    """Why the server's certificate is not accepted; None where it is not about that."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        error = error.__cause__ or error.__context__
    return None
