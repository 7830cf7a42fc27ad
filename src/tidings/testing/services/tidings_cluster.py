"""Several nodes of Tidings on one broker, which are one system: processes of their own, all with the same settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import httpx2

from tidings.testing.services.base import ask_until
from tidings.testing.services.block import Block, Missing, ServiceError
from tidings.testing.services.container import engine
from tidings.testing.services.found import without_password
from tidings.testing.services.node import TidingsNode
from tidings.testing.services.redis import RedisMember

SHORT = 2.0
"""Seconds for a node to say how it is: more than it takes itself to find out about its broker."""


class TidingsCluster(Block):
    """`count` nodes with these settings, which are shaped as `tidings.toml` is, and their broker.

    >>> with TidingsCluster(2, {"api": {"key": "k"}}) as cluster:
    ...     cluster.nodes[0].url, cluster.nodes[1].url, cluster.broker.url

    Without a `broker` a `RedisServer` of its own is started, whatever the environment names, so that it may be killed.
    One that is handed over is a block that runs already, such as `RedisSentinel`, or the address of a broker, and is
    left running. `arguments` and `environment` are as those of `TidingsNode`.

    What is done to one node is done to a member of `nodes`: `kill`, `pause`, `resume` and `restart` keep its port.
    Afterwards `settle` waits until all of them serve again.
    """

    name = "tidings cluster"

    patience: float = 20.0
    """Seconds that the nodes may take to reach the broker."""

    def __init__(
        self,
        count: int = 2,
        settings: Mapping[str, Any] | None = None,
        *,
        broker: Block | str | None = None,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        if count < 1:
            raise ServiceError(f"A cluster has one node or more, and not {count}.")
        if "url" in (settings or {}).get("broker", {}):
            raise ServiceError("Hand the broker over as `broker`; without it the cluster starts one of its own.")
        self.nodes: Sequence[TidingsNode] = ()
        """Those that there are, in the order in which they were started. None before the block and after it."""
        self._count = count
        self._settings = settings or {}
        self._given = broker
        self._own: RedisMember | None = None
        self._arguments = arguments
        self._environment = environment

    def __repr__(self) -> str:
        return f"<TidingsCluster of {len(self.nodes)}>"

    @property
    def broker(self) -> Any:
        """The block of the broker: the `RedisServer` of its own, or what was handed over.

        Raises `ServiceError` where that was an address: it belongs to somebody else, and is not touched here.
        """
        if isinstance(self._given, str):
            raise ServiceError(
                f"The broker of this cluster is given by its address, {without_password(self._given)}, and belongs to "
                "somebody else; hand a block over to have one that can be touched."
            )
        broker = self._given or self._own
        if broker is None:
            raise ServiceError("The cluster has no broker before its block begins.")
        return broker

    @property
    def broker_url(self) -> str:
        """Where the nodes find the broker."""
        return self._given if isinstance(self._given, str) else str(self.broker.url)

    # Its life.

    def start(self) -> None:
        if self.nodes:
            raise ServiceError(f"{self!r} has been started already; make another one for a second cluster.")
        try:
            if self._given is None:
                self._own = OwnRedis()
                self._own.start()
            for _ in range(self._count):
                self._start_node()
            self.settle()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the nodes one after another, and then a broker of its own."""
        for node in reversed(self.nodes):
            node.stop()
        self.nodes = ()
        if self._own is not None:
            self._own.stop()
            self._own = None

    def give_up(self) -> None:
        super().give_up()
        for one in (*self.nodes, self._own):
            if one is not None:
                one.give_up()

    def report(self) -> str:
        own = [self._own] if self._own is not None else []
        whole = f"{self!r}: {self.trouble() or 'whole'}"
        return "\n\n".join([whole, *(one.report() for one in (*self.nodes, *own))])

    # What can be done to it.

    def add(self) -> TidingsNode:
        """Start one more node, and return it when it serves."""
        node = self._start_node()
        try:
            self.settle()
        except BaseException:
            self.remove(node)
            raise
        return node

    def remove(self, node: TidingsNode) -> None:
        """Stop a node in order, so that its clients are told to go elsewhere, and be a cluster without it.

        Raises `ServiceError` for one that is none of this cluster's.
        """
        if node not in self.nodes:
            raise ServiceError(f"{node!r} is not a node of this cluster, or is so no more.")
        node.stop()
        self.nodes = [one for one in self.nodes if one is not node]

    def rolling_restart(self) -> None:
        """Restart each node in order, the next one when all of them serve again."""
        for node in self.nodes:
            node.restart()
            self.settle()

    def settle(self) -> None:
        """Return when all nodes serve and reach the broker. Raises `ServiceError` if that takes too long."""
        if not ask_until(self._is_whole, self.patience):
            raise ServiceError(f"{self.name} did not find together within {self.patience:g} s.\n{self.report()}")

    def trouble(self) -> str:
        """What is still missing to a whole, in a few words; "" for nothing. Neither waits long nor raises."""
        return "; ".join(f"node {number}: {lack}" for number, node in enumerate(self.nodes) if (lack := _lack(node)))

    # Private steps.

    def _start_node(self) -> TidingsNode:
        settings = {**self._settings, "broker": {**self._settings.get("broker", {}), "url": self.broker_url}}
        node = TidingsNode(settings, arguments=self._arguments, environment=self._environment)
        # Known before it is there, so that it can be given up while it starts.
        before, self.nodes = self.nodes, [*self.nodes, node]
        try:
            node.start()
        except BaseException:
            self.nodes = before
            raise
        return node

    def _is_whole(self) -> bool:
        if self._is_unwanted:
            raise ServiceError(f"{self.name} was given up while it was starting.")
        return not self.trouble()


class OwnRedis(RedisMember):
    """A Redis that is never one that the environment names, so that it can be killed."""

    @classmethod
    def require(cls) -> None:
        if not cls.is_installed() and (reason := engine()) is not None:
            raise Missing(
                f"{cls.name} is not installed: apt-get install {cls.package}, or hand a running one over as `broker`, "
                f"or let it run in a container ({reason})."
            )


def _lack(node: TidingsNode) -> str:
    """Why a node does not serve, "" if it does."""
    with suppress(httpx2.HTTPError, ValueError):
        answer = httpx2.get(f"{node.url}/health", timeout=SHORT, verify=False)
        return "" if answer.is_success else str(answer.json().get("reason", answer.status_code))
    return "does not answer"
