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
from tidings.testing.faults.proxy import Applied

VERSION = "2.9.0"
"""The version of Toxiproxy whose API this is."""

T = TypeVar("T")


def toxiproxy_api() -> Starlette:
    """The API as an ASGI application. Its proxies live in its loop, and end with its lifespan."""
    proxies = Proxies()

    async def index(_: Request) -> Any:
        return {name: describe(name, proxy) for name, proxy in proxies.all().items()}

    async def create(request: Request) -> Any:
        fields = await _body(request, ProxyFields)
        return 201, describe(fields.name, await proxies.create(fields))

    async def populate(request: Request) -> Any:
        wanted = await _body(request, list[ProxyFields])
        for place, fields in enumerate(wanted, start=1):
            if not fields.name or not fields.upstream:
                raise ApiError(f"missing required field: {'upstream' if fields.name else 'name'} at proxy {place}")
        return 201, {"proxies": [describe(fields.name, await proxies.put(fields)) for fields in wanted]}

    async def show(request: Request) -> Any:
        return describe(_name(request), proxies.get(_name(request)))

    async def update(request: Request) -> Any:
        proxies.get(_name(request))
        fields = await _body(request, ProxyFields)
        return describe(_name(request), await proxies.update(_name(request), fields))

    async def delete(request: Request) -> Any:
        await proxies.delete(_name(request))

    async def toxics(request: Request) -> Any:
        return [describe_toxic(applied) for applied in proxies.get(_name(request)).toxics]

    async def add_toxic(request: Request) -> Any:
        proxy = proxies.get(_name(request))
        return describe_toxic(add(proxy, await _body(request, ToxicFields)))

    async def show_toxic(request: Request) -> Any:
        return describe_toxic(_applied(proxies, request))

    async def change_toxic(request: Request) -> Any:
        applied = _applied(proxies, request)
        return describe_toxic(change(applied, await _body(request, ToxicFields)))

    async def remove_toxic(request: Request) -> Any:
        _applied(proxies, request).remove()

    async def reset(_: Request) -> Any:
        for proxy in proxies.all().values():
            proxy.clear()
            switch(proxy, on=True)

    async def version(_: Request) -> Any:
        return {"version": VERSION}

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await proxies.close()

    one, its_toxics = "/proxies/{proxy}", "/proxies/{proxy}/toxics"
    table: list[tuple[str, tuple[str, ...], Action]] = [
        ("/proxies", ("GET",), index),
        ("/proxies", ("POST",), create),
        ("/populate", ("POST",), populate),
        (one, ("GET",), show),
        (one, ("POST", "PATCH"), update),
        (one, ("DELETE",), delete),
        (its_toxics, ("GET",), toxics),
        (its_toxics, ("POST",), add_toxic),
        (its_toxics + "/{toxic}", ("GET",), show_toxic),
        (its_toxics + "/{toxic}", ("POST", "PATCH"), change_toxic),
        (its_toxics + "/{toxic}", ("DELETE",), remove_toxic),
        ("/reset", ("POST",), reset),
        ("/version", ("GET",), version),
    ]
    routes = [Route(path, _answering(action), methods=list(methods)) for path, methods, action in table]
    return Starlette(routes=routes, lifespan=lifespan)


Action = Callable[[Request], Awaitable[Any]]
"""Answers with a value for 200, with a status and a value, or with None for 204."""


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


def _applied(proxies: Proxies, request: Request) -> Applied:
    return proxies.toxic(_name(request), str(request.path_params["toxic"]))
