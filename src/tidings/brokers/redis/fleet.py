"""Which servers there are, and which of them has a key.

One server by itself, or whichever one the sentinels call the master, is `OneServer`. A cluster is as many servers as it
has primaries, each with its share of the slots; the map of the slots is read again whenever it turns out to be old.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from tidings.brokers.endpoints import Endpoint, named
from tidings.brokers.link import LineLost, OnLost
from tidings.brokers.redis.address import Address, Deployment
from tidings.brokers.redis.introduction import Introduction, ask_sentinels
from tidings.brokers.redis.keys import slot
from tidings.brokers.redis.line import Line, Push, ReplyError
from tidings.brokers.redis.server import Server, Verbs

ROUTINE = 30.0
"""Seconds between two looks at a map of slots that nobody complains about."""

TROUBLE = 0.5
"""Seconds between two looks while a server is away, or does not let us hear a channel: another may take its place."""

ASKING = 1.0
"""Seconds that a server may take to say who has which slot, or that a channel is heard."""


class Fleet(Protocol):
    """All servers of an address."""

    @property
    def reason(self) -> str:
        """Why no server is known, for people; "" where some are."""

    def start(self) -> None:
        """Begin to connect. Repeating it is harmless."""

    async def stop(self, reason: str) -> None:
        """Let go of all of them."""

    def servers(self) -> Collection[Server]:
        """Those that are known now."""

    async def server(self, key: str) -> Server:
        """The one that has a key, as soon as it is known. Cancel it to wait no longer.

        Raises `LineLost` when it will never be known, because all was stopped.
        """

    def doubt(self) -> None:
        """A server says that it does not have what it should: look again."""


class Ears(Protocol):
    """Who is told what the servers say."""

    def on_message(self, name: bytes, content: bytes) -> None: ...

    def on_heard(self, names: Collection[str]) -> None: ...

    def on_down(self, reason: str) -> None: ...


def fleet(address: Address, introduction: Introduction, ears: Ears) -> Fleet:
    """The servers of an address, as it says that they hang together."""
    if address.deployment is Deployment.CLUSTER:
        return Cluster(address, introduction, ears)
    return OneServer(address, introduction, ears)


class OneServer:
    """A single server. With sentinels its address is asked anew for every attempt to connect."""

    def __init__(self, address: Address, introduction: Introduction, ears: Ears) -> None:
        self._address = address
        self._introduction = introduction
        self._server = Server(
            str(address),
            self._open,
            Verbs(sharded=False),
            on_message=ears.on_message,
            on_heard=ears.on_heard,
            on_evicted=self.doubt,
            on_down=ears.on_down,
        )

    @property
    def reason(self) -> str:
        return ""

    def start(self) -> None:
        self._server.start()

    async def stop(self, reason: str) -> None:
        await self._server.stop(reason)

    def servers(self) -> Collection[Server]:
        return [self._server]

    async def server(self, key: str) -> Server:
        return self._server

    def doubt(self) -> None:
        """It is no master any more: connect anew, which finds out who is."""
        for link in (self._server.commands, self._server.messages):
            if link.line is not None:
                link.line.end("the server is not the master any more")

    async def _open(self, on_push: Callable[[Push], None], on_lost: OnLost) -> Line:
        endpoint = self._address.endpoints[0]
        if self._address.deployment is Deployment.SENTINEL:
            endpoint = await ask_sentinels(self._introduction, self._address)
        return await self._introduction.open(endpoint, on_push, on_lost)


class SlotMap:
    """Which endpoint has which slot. Empty until it was read."""

    def __init__(self, answer: Sequence[Sequence[Any]] = (), asked: Endpoint = ("", 0)) -> None:
        """Takes the answer to CLUSTER SLOTS. A primary without a host is the server that was asked."""
        self._ranges = sorted(
            (int(first), int(last), ((primary[0] or b"").decode() or asked[0], int(primary[1])))
            for first, last, primary, *_ in answer
        )
        self._firsts = [first for first, _, _ in self._ranges]

    def endpoint(self, of_slot: int) -> Endpoint | None:
        """The primary of a slot; None where nobody is known to have it."""
        index = bisect_right(self._firsts, of_slot) - 1  # every call asks, and a cluster may be in many pieces
        if index < 0:
            return None
        _, last, endpoint = self._ranges[index]
        return endpoint if of_slot <= last else None

    def endpoints(self) -> set[Endpoint]:
        return {endpoint for _, _, endpoint in self._ranges}


class Cluster:
    """All primaries of a cluster."""

    def __init__(self, address: Address, introduction: Introduction, ears: Ears) -> None:
        self._address = address
        self._introduction = introduction
        self._ears = ears
        self._verbs = Verbs(sharded=True)
        self._map = SlotMap()
        self._servers: dict[Endpoint, Server] = {}
        self._doubted = asyncio.Event()
        self._mapped = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._complaint = "not connected yet"
        self._gone = ""

    @property
    def reason(self) -> str:
        return "" if self._servers else self._complaint

    # Life.

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._keep_mapped(), name="map of the cluster")

    async def stop(self, reason: str) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._gone = reason
        self._mapped.set()
        await asyncio.gather(*(server.stop(reason) for server in self._servers.values()))

    # The servers.

    def servers(self) -> Collection[Server]:
        return list(self._servers.values())

    async def server(self, key: str) -> Server:
        number = slot(key)
        while (endpoint := self._map.endpoint(number)) is None:
            if self._gone:
                raise LineLost(self._gone, sent=False)
            self._mapped.clear()
            self.doubt()
            await self._mapped.wait()
        return self._servers[endpoint]

    def doubt(self) -> None:
        self._doubted.set()

    # Private steps.

    async def _keep_mapped(self) -> None:
        while True:
            self._doubted.clear()
            try:
                await self._map_again()
            except (OSError, LineLost, ReplyError) as error:
                self._complaint = str(error)
            in_trouble = not self._servers or any(server.reason or server.unheard() for server in self.servers())
            with suppress(TimeoutError):
                # `wait_for` may lose a cancellation that comes together with a doubt, and the stop would hang.
                async with asyncio.timeout(TROUBLE if in_trouble else ROUTINE):
                    await self._doubted.wait()
            # Not faster than this, however many calls complain.
            await asyncio.sleep(TROUBLE / 10)

    async def _map_again(self) -> None:
        self._map = await self._read_map()
        for endpoint in self._map.endpoints() - self._servers.keys():
            self._servers[endpoint] = self._new_server(endpoint)
        for endpoint, server in self._servers.items():
            for name, home in self._strangers(endpoint, server.wanted):
                server.hand_over(name, self._servers[home])
        self._mapped.set()
        await self._retire(self._servers.keys() - self._map.endpoints())
        for server in self.servers():
            # One that refuses has not heard of the map yet, or the map is old: both are asked again.
            with suppress(ReplyError, TimeoutError):
                async with asyncio.timeout(ASKING):
                    await server.catch_up()

    def _strangers(self, endpoint: Endpoint, names: Iterable[str]) -> list[tuple[str, Endpoint]]:
        """Those that another server has now, and which. While nobody has a slot, its channels stay where they are."""
        homes = [(name, self._map.endpoint(slot(name))) for name in names]
        return [(name, home) for name, home in homes if home is not None and home != endpoint]

    async def _retire(self, endpoints: Collection[Endpoint]) -> None:
        for endpoint in endpoints:
            if not self._servers[endpoint].wanted:
                await self._servers.pop(endpoint).stop(f"{named(endpoint)} left the cluster")

    def _new_server(self, endpoint: Endpoint) -> Server:
        async def open_line(on_push: Callable[[Push], None], on_lost: OnLost) -> Line:
            return await self._introduction.open(endpoint, on_push, on_lost)

        server = Server(
            named(endpoint),
            open_line,
            self._verbs,
            on_message=self._ears.on_message,
            on_heard=self._ears.on_heard,
            on_evicted=self.doubt,
            on_down=self._note_down,
        )
        server.start()
        return server

    def _note_down(self, reason: str) -> None:
        """Callers wait for the server that has their key, and would not find out that another one has it now."""
        self.doubt()
        self._ears.on_down(reason)

    async def _read_map(self) -> SlotMap:
        """Ask whoever answers first, of those that are connected and those that the address names."""
        for endpoint, server in self._servers.items():
            if (line := server.commands.line) is not None:
                with suppress(LineLost, ReplyError, TimeoutError):
                    async with asyncio.timeout(ASKING):
                        return SlotMap(await line.call(b"CLUSTER", b"SLOTS"), endpoint)
        complaints = []
        for endpoint in self._address.endpoints:
            try:
                async with asyncio.timeout(ASKING):
                    return await self._ask(endpoint)
            except (OSError, LineLost, ReplyError) as error:
                complaints.append(f"{named(endpoint)}: {error or f'no answer within {ASKING:g} s'}")
        raise OSError(f"no server of the cluster says who has which slot ({'; '.join(complaints)})")

    async def _ask(self, endpoint: Endpoint) -> SlotMap:
        line = await self._introduction.open(endpoint, lambda push: None, lambda reason: None)
        try:
            return SlotMap(await line.call(b"CLUSTER", b"SLOTS"), endpoint)
        finally:
            line.end("asked")
