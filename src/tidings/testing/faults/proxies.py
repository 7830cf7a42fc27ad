"""The proxies of Toxiproxy's HTTP API: what callers say of them, and what they are told. No HTTP here."""

from __future__ import annotations

from typing import Any

import msgspec

from tidings.testing.faults.address import parse
from tidings.testing.faults.applied import Applied
from tidings.testing.faults.errors import FaultError
from tidings.testing.faults.proxy import FaultProxy
from tidings.testing.faults.toxics import TYPES, Direction, Toxic


class ApiError(Exception):
    """What the caller did wrong, or what cannot be done."""

    def __init__(self, error: str, status: int = 400) -> None:
        self.body = {"error": error, "status": status}
        self.status = status


class ProxyFields(msgspec.Struct):
    """A proxy as a caller describes it. None is what the caller leaves open."""

    name: str = ""
    listen: str | None = None
    upstream: str | None = None
    enabled: bool | None = None


class ToxicFields(msgspec.Struct):
    name: str = ""
    type: str = ""
    stream: str = Direction.DOWNSTREAM.value
    toxicity: float | None = None
    attributes: dict[str, Any] = {}


class Proxies:
    """The proxies by name."""

    def __init__(self) -> None:
        self._proxies: dict[str, FaultProxy] = {}

    def all(self) -> dict[str, FaultProxy]:
        return dict(self._proxies)

    def get(self, name: str) -> FaultProxy:
        if name not in self._proxies:
            raise ApiError("proxy not found", 404)
        return self._proxies[name]

    def toxic(self, proxy: str, name: str) -> Applied:
        for applied in self.get(proxy).toxics:
            if applied.name == name:
                return applied
        raise ApiError("toxic not found", 404)

    async def create(self, fields: ProxyFields) -> FaultProxy:
        if not fields.name or not fields.upstream:
            raise ApiError(f"missing required field: {'upstream' if fields.name else 'name'}")
        if fields.name in self._proxies:
            raise ApiError("proxy already exists", 409)
        proxy = self._proxies[fields.name] = _proxy(fields.upstream, fields.listen or "")
        try:
            await start(proxy, enabled=fields.enabled is not False)
        except ApiError:
            del self._proxies[fields.name]
            raise
        return proxy

    async def update(self, name: str, fields: ProxyFields) -> FaultProxy:
        """Its connections end when it gets another address; its toxics stay. If it cannot be moved, it stays itself."""
        old = self.get(name)
        wanted = _proxy(fields.upstream or str(old.upstream), fields.listen or old.address)
        enabled = old.is_up if fields.enabled is None else fields.enabled
        if wanted.address != old.address:
            for toxic in old.toxics:
                wanted.add(toxic.toxic, direction=toxic.direction, toxicity=toxic.toxicity, name=toxic.name)
            await self._replace(name, wanted, enabled=enabled)
            return wanted
        if str(wanted.upstream) != str(old.upstream):
            old.lead_to(wanted.upstream)
        switch(old, on=enabled)
        return old

    async def put(self, fields: ProxyFields) -> FaultProxy:
        """Create it, replace it if it has other addresses, or leave it as it is."""
        if fields.name not in self._proxies:
            return await self.create(fields)
        old, wanted = self.get(fields.name), _proxy(fields.upstream or "", fields.listen or "")
        if (str(wanted.upstream), wanted.address) == (str(old.upstream), old.address):
            return await self.update(fields.name, fields)
        await self._replace(fields.name, wanted, enabled=fields.enabled is not False)
        return wanted

    async def _replace(self, name: str, new: FaultProxy, *, enabled: bool) -> None:
        """Let another proxy have the name. The old one ends when the new one listens; until then it may come back."""
        old = self.get(name)
        was_up = old.is_up
        if new.port == old.port:  # On another host: both can be the same place.
            old.cut()
        try:
            await start(new, enabled=enabled)
        except ApiError:
            switch(old, on=was_up)
            raise
        self._proxies[name] = new
        await old.close()

    async def delete(self, name: str) -> None:
        proxy = self.get(name)
        del self._proxies[name]
        await proxy.close()

    async def close(self) -> None:
        for name in list(self._proxies):
            await self.delete(name)


# Proxies.


def _proxy(upstream: str, listen: str) -> FaultProxy:
    try:
        address = parse(listen or ":0", needs_port=False)
        return FaultProxy(upstream, host=address.host, port=address.port)
    except ValueError as error:
        raise ApiError(str(error)) from error


async def start(proxy: FaultProxy, *, enabled: bool) -> None:
    """As Toxiproxy does, a port that is taken is answered with 500."""
    try:
        await proxy.start()
    except FaultError as error:
        raise ApiError(str(error), 500) from error
    switch(proxy, on=enabled)


def switch(proxy: FaultProxy, *, on: bool) -> None:
    if not on:
        proxy.cut()
        return
    try:
        proxy.mend()
    except FaultError as error:
        raise ApiError(str(error), 500) from error


def describe(name: str, proxy: FaultProxy) -> dict[str, Any]:
    return {
        "name": name,
        "listen": proxy.address,
        "upstream": str(proxy.upstream),
        "enabled": proxy.is_up,
        "toxics": [describe_toxic(applied) for applied in proxy.toxics],
    }


# Toxics.


def describe_toxic(applied: Applied) -> dict[str, Any]:
    attributes = msgspec.to_builtins(applied.toxic)
    kind = attributes.pop("type")
    return {
        "name": applied.name,
        "type": kind,
        "stream": applied.direction.value,
        "toxicity": applied.toxicity,
        "attributes": attributes,
    }


def _made(kind: str, attributes: dict[str, Any]) -> Toxic:
    if kind not in TYPES:
        raise ApiError(f"invalid toxic type: {kind!r} is none of {', '.join(TYPES)}")
    try:
        made: Toxic = msgspec.convert(attributes, TYPES[kind])
    except msgspec.ValidationError as error:
        raise ApiError(f"bad request body: {error}") from error
    return made


def add(proxy: FaultProxy, fields: ToxicFields) -> Applied:
    try:
        direction = Direction(fields.stream.lower())
    except ValueError as error:
        raise ApiError("stream was invalid, can be either upstream or downstream") from error
    name = fields.name or f"{fields.type}_{direction.value}"
    if any(applied.name == name for applied in proxy.toxics):
        raise ApiError("toxic already exists", 409)
    toxic = _made(fields.type, fields.attributes)
    toxicity = 1.0 if fields.toxicity is None else fields.toxicity
    try:
        return proxy.add(toxic, direction=direction, toxicity=toxicity, name=name)
    except ValueError as error:
        raise ApiError(str(error)) from error


def change(applied: Applied, fields: ToxicFields) -> Applied:
    """What the caller does not name stays as it is."""
    attributes = msgspec.to_builtins(applied.toxic)
    kind = attributes.pop("type")
    toxic = _made(kind, {**attributes, **fields.attributes})
    try:
        applied.change(toxic, toxicity=fields.toxicity)
    except ValueError as error:
        raise ApiError(str(error)) from error
    return applied
