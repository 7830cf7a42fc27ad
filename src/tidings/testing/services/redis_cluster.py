"""Redis Cluster: three primaries that share the keys, and replicas of them if wanted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from urllib.parse import urlsplit

from redis.exceptions import RedisError

from tidings.testing.services import ports
from tidings.testing.services.base import HOST, Service, ask_until
from tidings.testing.services.block import Missing
from tidings.testing.services.group import Group
from tidings.testing.services.redis import RedisMember, ask, redis_program, redis_version

SLOTS = 16384
PRIMARIES = 3


class RedisCluster(Group):
    """`url` is `redis+cluster://HOST:PORT,HOST:PORT,…`, with all nodes. `replicas` is how many each primary has.

    A node that does not answer for `node_timeout` seconds is taken for dead; a replica of it then becomes primary.
    """

    name = "cluster"
    variables = ("REDIS_CLUSTER_URL",)
    schemes = ("redis+cluster", "rediss+cluster")
    programs = ("redis-server",)
    package = "redis-server"

    def __init__(self, *, replicas: int = 0, node_timeout: float = 1.0, **options: str) -> None:
        super().__init__()
        self._replicas = replicas
        self._options = {"cluster_node_timeout": f"{node_timeout * 1000:.0f}", **options}

    @classmethod
    def require(cls) -> None:
        super().require()
        if not cls.address() and redis_version(redis_program()) < (7, 0):
            raise Missing(f"{cls.name} needs Redis 7.0 or newer, whose nodes may choose both of their ports.")

    @property
    def url(self) -> str:
        return self.given or f"redis+cluster://{','.join(f'{HOST}:{node.port}' for node in self.nodes)}"

    @property
    def nodes(self) -> Sequence[ClusterNode]:
        """All nodes: first the primaries, as it was at the start. Each has a `url` of its own."""
        return [member for member in self.members if isinstance(member, ClusterNode)]

    def assemble(self) -> Iterator[Service]:
        for _ in range(PRIMARIES * (1 + self._replicas)):
            yield ClusterNode(**self._options)
        primaries = self.nodes[:PRIMARIES]
        for number, node in enumerate(primaries):
            node.ask("CLUSTER ADDSLOTSRANGE", SLOTS * number // PRIMARIES, SLOTS * (number + 1) // PRIMARIES - 1)
            node.ask("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for node in self.nodes[1:]:
            node.meet(self.nodes[0])
        for number, node in enumerate(self.nodes[PRIMARIES:]):
            # Not before the two have heard of each other.
            ask_until(partial(node.follows, primaries[number % PRIMARIES].id), self.patience)

    def trouble(self) -> str:
        try:
            for url in self._addresses():
                if missing := self._missing(ask(url, "CLUSTER INFO"), ask(url, "CLUSTER NODES")):
                    return f"{url} has {missing}"
        except (RedisError, OSError) as error:
            return f"{url} does not answer: {error}"
        return ""

    def clear(self) -> None:
        """Forget all keys. Raises `ServiceError` for a cluster that is given: it has no other database."""
        self.refuse_given("emptied")
        for node in self.nodes:
            if node.is_primary:
                node.ask("FLUSHALL")

    # Private steps.

    def _addresses(self) -> Sequence[str]:
        if not self.given:
            return [node.url for node in self.nodes]
        login, at, places = urlsplit(self.given).netloc.rpartition("@")
        scheme = self.given.partition("+")[0]
        return [f"{scheme}://{login}{at}{place}" for place in places.split(",")]

    def _missing(self, info: Mapping[str, str], nodes: Mapping[str, Mapping[str, object]]) -> str:
        """What a node still misses."""
        if info["cluster_state"] != "ok" or int(info["cluster_slots_ok"]) != SLOTS:
            return f"cluster_state:{info['cluster_state']}, {info['cluster_slots_ok']} slots of {SLOTS} served"
        if self.given:
            return ""
        if int(info["cluster_known_nodes"]) != len(self.nodes):
            return f"heard of {info['cluster_known_nodes']} nodes of {len(self.nodes)}"
        absent = [node for node, facts in nodes.items() if not facts["connected"] or "fail" in str(facts["flags"])]
        return f"no connection to {', '.join(absent)}" if absent else ""


class ClusterNode(RedisMember):
    """One node, with a second port for the others."""

    def __init__(self, **options: str) -> None:
        super().__init__(**options)
        self._bus = 0

    @property
    def id(self) -> str:
        """By what the others know it."""
        return str(ask(self.url, "CLUSTER MYID"))

    def start(self) -> None:
        self._bus = ports.reserve()
        super().start()

    def stop(self) -> None:
        super().stop()
        ports.release(self._bus)

    def directives(self) -> Mapping[str, str]:
        return {**super().directives(), "cluster-enabled": "yes", "cluster-port": str(self._bus)}

    @property
    def is_primary(self) -> bool:
        """Whether it serves keys of its own, rather than repeat another node's."""
        return bool(ask(self.url, "INFO", "replication")["role"] == "master")

    def meet(self, other: ClusterNode) -> None:
        """Hear of another node, and of all that it has heard of."""
        self.ask("CLUSTER MEET", HOST, other.port, other._bus)

    def follows(self, primary: str) -> bool:
        """Let it be the replica of another node; False while it has not heard of that."""
        with suppress(RedisError):
            return bool(self.ask("CLUSTER REPLICATE", primary))
        return False
