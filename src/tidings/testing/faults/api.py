"""Toxiproxy's HTTP API, for the client libraries that exist for it in many languages.

    python -m tidings.testing.faults --port 8474

Paths, fields, status codes and the shape of errors, `{"error": …, "status": …}`, are Toxiproxy's (2.x). Besides its
toxics there are `blackhole` and `corrupt`. A proxy without a host in `listen` is there for this machine only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tidings.testing.faults.applied import Applied
from tidings.testing.faults.proxies import (
    ApiError,
    Proxies,
    ProxyFields,
    ToxicFields,
    add,
    change,
    describe,
    describe_toxic,
    switch,
)

VERSION = "2.9.0"
"""The version of Toxiproxy whose API this is."""

T = TypeVar("T")


def toxiproxy_api() -> Starlette:
    """The API as an ASGI application. Its proxies live in its loop, and end with its lifespan."""
    proxies = Proxies()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await proxies.close()

    table = Actions(proxies).table()
    routes = [Route(path, _answering(action), methods=list(methods)) for path, methods, action in table]
    return Starlette(routes=routes, lifespan=lifespan)


Action = Callable[[Request], Awaitable[Any]]
"""Answers with a value for 200, with a status and a value, or with None for 204."""


class Actions:
    """What callers may ask for: of all proxies, of one of them, of its toxics."""

    def __init__(self, proxies: Proxies) -> None:
        self._proxies = proxies

    def table(self) -> list[tuple[str, tuple[str, ...], Action]]:
        """Which path and which methods ask for what."""
        proxies, one = "/proxies", "/proxies/{proxy}"
        toxics, toxic = f"{one}/toxics", f"{one}/toxics/{{toxic}}"
        return [
            (proxies, ("GET",), self.index),
            (proxies, ("POST",), self.create),
            ("/populate", ("POST",), self.populate),
            ("/reset", ("POST",), self.reset),
            ("/version", ("GET",), self.version),
            (one, ("GET",), self.show),
            (one, ("POST", "PATCH"), self.update),
            (one, ("DELETE",), self.delete),
            (toxics, ("GET",), self.toxics),
            (toxics, ("POST",), self.add_toxic),
            (toxic, ("GET",), self.show_toxic),
            (toxic, ("POST", "PATCH"), self.change_toxic),
            (toxic, ("DELETE",), self.remove_toxic),
        ]

    # All proxies.

    async def index(self, _: Request) -> Any:
        return {name: describe(name, proxy) for name, proxy in self._proxies.all().items()}

    async def create(self, request: Request) -> Any:
        fields = await _body(request, ProxyFields)
        return 201, describe(fields.name, await self._proxies.create(fields))

    async def populate(self, request: Request) -> Any:
        """Those that were made before one fails are there, and are told beside the error."""
        wanted = await _body(request, list[ProxyFields])
        for place, fields in enumerate(wanted, start=1):
            if not fields.name or not fields.upstream:
                raise ApiError(f"missing required field: {'upstream' if fields.name else 'name'} at proxy {place}")
        made: dict[str, Any] = {}
        try:
            for fields in wanted:
                made[fields.name] = describe(fields.name, await self._proxies.put(fields))
        except ApiError as error:
            return error.status, {**error.body, "proxies": [*made.values()]}
        return 201, {"proxies": [*made.values()]}

    async def reset(self, _: Request) -> Any:
        for proxy in self._proxies.all().values():
            proxy.clear()
            switch(proxy, on=True)

    async def version(self, _: Request) -> Any:
        return {"version": VERSION}

    # One proxy.

    async def show(self, request: Request) -> Any:
        return describe(_name(request), self._proxies.get(_name(request)))

    async def update(self, request: Request) -> Any:
        self._proxies.get(_name(request))
        fields = await _body(request, ProxyFields)
        return describe(_name(request), await self._proxies.update(_name(request), fields))

    async def delete(self, request: Request) -> Any:
        await self._proxies.delete(_name(request))

    # Its toxics.

    async def toxics(self, request: Request) -> Any:
        return [describe_toxic(applied) for applied in self._proxies.get(_name(request)).toxics]

    async def add_toxic(self, request: Request) -> Any:
        proxy = self._proxies.get(_name(request))
        return describe_toxic(add(proxy, await _body(request, ToxicFields)))

    async def show_toxic(self, request: Request) -> Any:
        return describe_toxic(self._applied(request))

    async def change_toxic(self, request: Request) -> Any:
        applied = self._applied(request)
        return describe_toxic(change(applied, await _body(request, ToxicFields)))

    async def remove_toxic(self, request: Request) -> Any:
        self._applied(request).remove()

    def _applied(self, request: Request) -> Applied:
        return self._proxies.toxic(_name(request), str(request.path_params["toxic"]))


def _answering(action: Action) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        if request.headers.get("user-agent", "").startswith("Mozilla/"):
            # A page on the web could otherwise let this machine's browser open ports on it.
            return _json(403, {"error": "User agent not allowed", "status": 403})
        try:
            outcome = await action(request)
        except ApiError as error:
            return _json(error.status, error.body)
        if outcome is None:
            return Response(status_code=204)
        return _json(*outcome) if isinstance(outcome, tuple) else _json(200, outcome)

    return answer


def _json(status: int, value: Any) -> Response:
    return Response(msgspec.json.encode(value), status_code=status, media_type="application/json")


async def _body(request: Request, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(await request.body(), type=shape)
    except msgspec.DecodeError as error:
        raise ApiError(f"bad request body: {error}") from error


def _name(request: Request) -> str:
    return str(request.path_params["proxy"])
