"""How a line to a server is opened: address, TLS, credentials, database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tidings.brokers.endpoints import Endpoint, named
from tidings.brokers.keepalive import keep_alive
from tidings.brokers.link import LineLost, OnLost
from tidings.brokers.redis.address import Address, Credentials
from tidings.brokers.redis.line import Line, Push, ReplyError, Word


class Introduction:
    """Opens lines as an address says. `name` is what the server shows in CLIENT LIST. Raises `SettingsError`."""

    def __init__(self, address: Address, name: str) -> None:
        self._address = address
        self._name = name
        self._tls = address.tls.context() if address.tls else None

    async def open(self, endpoint: Endpoint, on_push: Callable[[Push], None], on_lost: OnLost) -> Line:
        """A line to a server, in the right database. Raises `OSError`, `LineLost` and `ReplyError`."""
        line = await self._connect(endpoint, self._address.credentials, on_push, on_lost)
        if self._address.database:
            try:
                await line.call(b"SELECT", self._address.database)
            except BaseException:
                line.end("the database cannot be used")
                raise
        return line

    async def open_to_sentinel(self, endpoint: Endpoint) -> Line:
        """A line to a sentinel. Raises `OSError`, `LineLost` and `ReplyError`."""
        return await self._connect(endpoint, self._address.sentinel_credentials, _ignore, _ignore)

    async def _connect(
        self,
        endpoint: Endpoint,
        credentials: Credentials,
        on_push: Callable[[Push], None],
        on_lost: OnLost,
    ) -> Line:
        host, port = endpoint
        name = host if self._tls else None
        transport, line = await asyncio.get_running_loop().create_connection(
            lambda: Line(on_push, on_lost), host, port, ssl=self._tls, server_hostname=name
        )
        keep_alive(transport.get_extra_info("socket"))
        words: list[Word] = [b"HELLO", 3]
        if credentials.password:
            words += [b"AUTH", credentials.username or "default", credentials.password]
        try:
            greeting = await line.call(*words, b"SETNAME", self._name)
        except BaseException:
            line.end("the server does not accept the introduction")
            raise
        line.client_id = greeting[b"id"]
        return line


async def ask_sentinels(introduction: Introduction, address: Address) -> Endpoint:
    """Where the master is, by the first sentinel that knows. Raises `OSError` when none does."""
    complaints = []
    for endpoint in address.endpoints:
        try:
            found = await _ask_sentinel(introduction, endpoint, address.service)
        except (OSError, LineLost, ReplyError) as error:
            complaints.append(f"{named(endpoint)}: {error}")
            continue
        if found is not None:
            return found
        complaints.append(f'{named(endpoint)}: knows no service "{address.service}"')
    raise OSError(f"no sentinel knows the master ({'; '.join(complaints)})")


async def _ask_sentinel(introduction: Introduction, endpoint: Endpoint, service: str) -> Endpoint | None:
    line = await introduction.open_to_sentinel(endpoint)
    try:
        found = await line.call(b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", service)
    finally:
        line.end("asked")
    return None if found is None else (found[0].decode(), int(found[1]))


def _ignore(_: object) -> None:
    """For lines of which nobody expects anything."""
