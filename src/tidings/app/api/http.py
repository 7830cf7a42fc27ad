"""The HTTP API as ASGI: paths, bodies, statuses, and the two ways of telling an error."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import msgspec
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from tidings.app.api import batch, description
from tidings.app.api.bodies import LEGACY, METHODS, NotJson, decode, require_utf8
from tidings.app.api.gate import Gate
from tidings.app.api.methods import Api, Handler, failure
from tidings.app.api.pace import Header, Pace
from tidings.app.api.results import Error
from tidings.app.api.watching import BATCH, Call, Watch
from tidings.errors import BadRequest, MethodNotFound, TidingsError
from tidings.gateway.admission import Rate
from tidings.gateway.node import Node

BODY_LIMIT_BYTES = 8 * 1024 * 1024
"""What one request may be long: room for tens of thousands of publications, and a bound on what it costs to read."""

TRANSPORT = "transport"
"""The error mode in which HTTP statuses tell errors. In the other one they are inside of an answer with status 200."""

STATUSES: Mapping[int, int] = {100: 500, 102: 404, 104: 404, 107: 400, 108: 400, 111: 429, 112: 416, 113: 409}
"""The HTTP status of each error code; of those that applications choose for themselves it is 400."""

_JSON = b"application/json"
_TEXT = b"text/plain; charset=utf-8"

_TRANSPORT_MODE = (b"x-centrifugo-error-mode", TRANSPORT.encode())

_encode = msgspec.json.Encoder().encode


def routes(
    node: Node,
    *,
    key: str | Callable[[], str],
    insecure: bool = False,
    error_mode: str = "",
    rpc: Mapping[str, Handler] = {},
    name: str = "",
    rate: Rate | None = None,
) -> list[BaseRoute]:
    """`/api/<method>` for every method and for `batch`, and `/api` for clients that name the method in the body.

    `/api/openapi.json` describes them, to everybody.

    `key` is what back ends must send; with an empty one nobody is let in, unless the API is `insecure`. `error_mode` is
    "" or "transport"; requests can ask for the latter by themselves. `rpc` answers the methods of the API's `rpc`.
    `name` is what `info` calls this node, by default the name of its host. `rate` is how often one address may ask.
    """
    gate = Gate(key, insecure=insecure)
    pace = None if rate is None else Pace(rate, node.clock, node.policy.hooks)
    methods = Methods(Api(node, rpc=rpc, name=name or socket.gethostname()), pace)
    doors = {"/api": methods.named, "/api/batch": methods.batch, "/api/{method}": methods.single}
    return [
        Route(description.PATH, description.Document(), methods=["GET"]),
        *(
            Route(
                path,
                Endpoint(
                    gate,
                    answer,
                    Watch(node.policy, node.clock, BATCH if answer == methods.batch else ""),
                    transport_errors=error_mode == TRANSPORT,
                    pace=pace,
                ),
                methods=["POST"],
            )
            for path, answer in doors.items()
        ),
    ]


class Methods:
    """Who answers a body: a method of the API, by the path or by the body itself, or many of them.

    Each returns what is to be encoded, perhaps an `Error`, or raises `HttpRefusal`, `NotJson` or a `TidingsError`.
    """

    def __init__(self, api: Api, pace: Pace | None) -> None:
        self._api = api
        self._pace = pace

    async def single(self, scope: Scope, body: bytes) -> object:
        method = scope["path_params"]["method"]
        if method not in METHODS:
            raise HttpRefusal(404, "The API has no method of this name.")
        return await self._call(method, body)

    async def batch(self, scope: Scope, body: bytes) -> object:
        return await batch.run(self._api, body, None if self._pace is None else partial(self._pace.admits, scope))

    async def named(self, scope: Scope, body: bytes) -> object:
        request = decode(LEGACY, body)
        scope["path_params"]["method"] = request.method  # as the path would have told it
        if request.method not in METHODS:
            raise MethodNotFound
        try:
            return await self._call(request.method, request.body())
        except NotJson as error:
            raise BadRequest(f"params: {error}") from error

    async def _call(self, method: str, body: bytes) -> object:
        result = await self._api.call(method, decode(METHODS[method], body))
        return result if isinstance(result, Error) else {"result": result}


class HttpRefusal(Exception):
    """A request that comes to nothing: an HTTP status and a sentence for whoever sent it."""

    def __init__(self, status: int, sentence: str, *headers: Header) -> None:
        super().__init__(status, sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers


class Endpoint:
    """Hands on what the gate admits, and sends the answer. With `transport_errors` every request is in that mode."""

    def __init__(
        self,
        gate: Gate,
        answer: Callable[[Scope, bytes], Awaitable[object]],
        watch: Watch,
        *,
        transport_errors: bool,
        pace: Pace | None = None,
    ) -> None:
        self._gate = gate
        self._answer = answer
        self._watch = watch
        self._transport_errors = transport_errors
        self._pace = pace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._watch.call(scope) as call:
            try:
                call.status, body = await self._handle(scope, receive, call)
            except HttpRefusal as refusal:
                call.status = refusal.status
                headers = (*refusal.headers, *self._said(scope))
                await _send(send, call.status, _TEXT, refusal.sentence.encode(), *headers)
            except NotJson as error:
                call.status = 400
                await _send(send, call.status, _TEXT, f"The body is {error}.".encode(), *self._said(scope))
            except ClientDisconnect:
                return
            else:
                await _send(send, call.status, _JSON, body, *self._said(scope))

    def _said(self, scope: Scope) -> Sequence[Header]:
        """What every answer says about the limit, if there is one."""
        return () if self._pace is None else self._pace.headers(scope)

    async def _handle(self, scope: Scope, receive: Receive, call: Call) -> tuple[int, bytes]:
        # Before the key is looked at, so that guessing is limited, too.
        if self._pace is not None and not self._pace.admits(scope):
            raise HttpRefusal(429, "Too many requests from this address.", self._pace.retry_after(scope))
        if not self._gate.admits(scope):
            # A 401 has to name the scheme (RFC 9110, section 15.5.2).
            raise HttpRefusal(401, "This needs the API key, as X-API-Key.", (b"www-authenticate", b"apikey"))
        call.admit()
        body = await _read(receive)
        require_utf8(body)
        try:
            answer = await self._answer(scope, body)
        except TidingsError as error:
            answer = failure(error)
        if not isinstance(answer, Error):
            return 200, _encode(answer)
        call.code = answer.code
        if self._transport_errors or _TRANSPORT_MODE in map(tuple, scope["headers"]):
            return STATUSES.get(answer.code, 400), _encode(answer)
        return 200, _encode({"error": answer})


async def _read(receive: Receive) -> bytes:
    """The whole body. Raises `HttpRefusal` and `ClientDisconnect`."""
    chunks: list[bytes] = []
    size, complete = 0, False
    while not complete:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        complete = not message.get("more_body", False)
        if size > BODY_LIMIT_BYTES:
            raise HttpRefusal(413, f"The body is longer than {BODY_LIMIT_BYTES} bytes.")
    return b"".join(chunks)


async def _send(send: Send, status: int, kind: bytes, body: bytes, *headers: Header) -> None:
    length = str(len(body)).encode()
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", kind), (b"content-length", length), *headers],
        }
    )
    await send({"type": "http.response.body", "body": body})
