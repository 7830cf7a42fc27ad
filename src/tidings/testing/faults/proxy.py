"""A line between clients and a server that can be made slow, narrow, wrong or dead, and whole again.

    async with FaultProxy(redis.url) as proxy:
        client = Redis.from_url(proxy.url)
        with proxy.toxic(Latency(latency_ms=200)):
            ...
        proxy.cut()

Every toxic acts on the connections that are open and on those that come. By chance (`toxicity`, `seed`) it may leave
some of them alone; which ones is the same in every run.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from tidings.testing.faults.address import Address, parse
from tidings.testing.faults.applied import Applied, AppliedToxics
from tidings.testing.faults.errors import FaultError
from tidings.testing.faults.link import Link
from tidings.testing.faults.listener import Listener, refuse
from tidings.testing.faults.machines import End
from tidings.testing.faults.toxics import Direction, Toxic
from tidings.testing.services import ports
from tidings.testing.services.base import HOST


class FaultProxy:
    """Carries TCP connections to `upstream`: "127.0.0.1:6379", or a URL with a host and a port.

    Listens on `host` and `port`, where port 0 is one that nobody else gets meanwhile. `url` is where clients connect:
    the URL of the upstream with the proxy's address in it. Nothing is read from a client before the upstream has
    accepted it; a client whose upstream does not accept is reset.

    Raises `ValueError` for an upstream that is no address, and on entering `FaultError` if the port is taken.
    """

    def __init__(self, upstream: str, *, host: str = HOST, port: int = 0, seed: int = 0) -> None:
        self.upstream: Address = parse(upstream)
        self.host = host
        self.port = port
        self.accepted = 0
        """How many connections it has accepted so far; they are numbered from 1."""
        self._reserved = 0
        self._is_started = False
        self._is_closed = False
        self._listener: Listener | None = None
        self._links: set[Link] = set()
        self._toxics = AppliedToxics(self._links, seed=seed)
        self._arrivals: set[asyncio.Task[None]] = set()
        self._connecting: set[asyncio.Future[Any]] = set()
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    def __repr__(self) -> str:
        state = "up" if self.is_up else "down"
        return f"<FaultProxy {self.address} to {self.upstream}, {state}, {self.connections} connections>"

    # Its life.

    async def start(self) -> None:
        """Listen. Raises `FaultError` if that cannot be."""
        if not self.port:
            self.port = self._reserved = await asyncio.to_thread(ports.reserve)
        self._is_started = True
        try:
            self.mend()
        except FaultError:
            await self.close()
            raise

    async def close(self) -> None:
        """End everything, and return when it has ended. Repeating it is harmless."""
        self.cut()
        self._is_closed = True
        if self._arrivals:
            await asyncio.wait(self._arrivals)
        await self._is_empty.wait()
        if self._reserved:
            ports.release(self._reserved)
            self._reserved = 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    # Where it is and how it is.

    @property
    def address(self) -> str:
        """Host and port of the proxy."""
        return str(Address(self.host, self.port))

    @property
    def url(self) -> str:
        """Where clients connect; just host and port if the upstream was no URL."""
        return self.upstream.moved(self.host, self.port)

    @property
    def is_running(self) -> bool:
        """Whether this is inside of its block, up or down."""
        return self._is_started and not self._is_closed

    @property
    def is_up(self) -> bool:
        """Whether it accepts connections."""
        return self._listener is not None

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._links)

    @property
    def toxics(self) -> tuple[Applied, ...]:
        return self._toxics.all()

    # Faults.

    def cut(self) -> int:
        """End all connections without a word, and refuse new ones, until `mend`.

        Returns how many connections it has ended. Repeating it is harmless, and so is cutting a closed proxy.
        """
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for connecting in self._connecting:
            connecting.cancel()
        return self.drop()

    def drop(self) -> int:
        """End all connections without a word; new ones are welcome. Returns how many it has ended."""
        links = list(self._links)
        for link in links:
            link.end(End.RESET)
        return len(links)

    def mend(self) -> None:
        """Accept connections again. Raises `FaultError` when the proxy does not run, or somebody has its port."""
        if not self.is_running:
            raise FaultError(f"The proxy to {self.upstream} does not run; use it inside of its block.")
        if self._listener is not None:
            return
        try:
            self._listener = Listener(self.host, self.port, on_client=self._welcome)
        except OSError as error:
            raise FaultError(f"The proxy cannot listen on {self.address}: {error.strerror}.") from error
        self.port = self._listener.port

    def lead_to(self, upstream: str | Address) -> int:
        """Carry connections to another place from now on, and end those that are open. Returns how many these were.

        Raises `ValueError` for what is no address.
        """
        self.upstream = parse(upstream) if isinstance(upstream, str) else upstream
        return self.drop()

    @contextmanager
    def down(self) -> Iterator[int]:
        """Cut inside of the block, mended after it."""
        ended = self.cut()
        try:
            yield ended
        finally:
            if self.is_running:
                self.mend()

    def add(
        self,
        toxic: Toxic,
        *,
        direction: Direction | str = Direction.DOWNSTREAM,
        toxicity: float = 1.0,
        name: str = "",
    ) -> Applied:
        """Let a toxic act on one direction, after those that are there. It stays until it is removed.

        `toxicity` is the share of connections that it acts on. Without a `name` it has Toxiproxy's, such as
        "latency_downstream". Raises `FaultError` if there is a toxic of that name or the proxy is closed, `ValueError`
        if a value makes no sense.
        """
        if self._is_closed:
            raise FaultError(f"The proxy to {self.upstream} is closed, so that no toxic can touch anything.")
        return self._toxics.add(toxic, Direction(direction), toxicity=toxicity, name=name)

    @contextmanager
    def toxic(
        self,
        toxic: Toxic,
        *,
        direction: Direction | str = Direction.DOWNSTREAM,
        toxicity: float = 1.0,
        name: str = "",
    ) -> Iterator[Applied]:
        """`add` for the length of a block."""
        with self.add(toxic, direction=direction, toxicity=toxicity, name=name) as applied:
            yield applied

    def clear(self) -> None:
        """Remove all toxics."""
        for applied in self.toxics:
            applied.remove()

    # Private steps.

    def _welcome(self, client: socket.socket) -> None:
        task = asyncio.get_running_loop().create_task(self._carry(client))
        self._arrivals.add(task)
        task.add_done_callback(self._arrivals.discard)

    async def _carry(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self.accepted += 1
        link = Link(self.accepted, on_end=self._ended)
        self._links.add(link)
        self._is_empty.clear()
        self._toxics.meet(link)
        connecting = asyncio.ensure_future(
            loop.create_connection(lambda: link.far, self.upstream.host, self.upstream.port)
        )
        self._connecting.add(connecting)
        try:
            await connecting
            await loop.connect_accepted_socket(lambda: link.near, client)
        except (OSError, asyncio.CancelledError):  # Only `cut` cancels, and only the first of the two.
            refuse(client)
            link.end(End.RESET)
        finally:
            self._connecting.discard(connecting)

    def _ended(self, link: Link) -> None:
        self._links.discard(link)
        if not self._links:
            self._is_empty.set()
