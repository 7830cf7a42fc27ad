"""Asks the servers behind an address what they are like. Nothing is changed, and what is tried is removed again."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from tidings.brokers.endpoints import Endpoint, named
from tidings.brokers.link import LineLost
from tidings.brokers.redis.address import Address, Credentials, Deployment
from tidings.brokers.redis.diagnosis import rights
from tidings.brokers.redis.diagnosis.facts import Facts, Refusal, Sentinel, Server
from tidings.brokers.redis.introduction import Introduction
from tidings.brokers.redis.keys import SLOTS, Keys, slot
from tidings.brokers.redis.line import Line, ReplyError

PATIENCE = 5.0
"""Seconds that one server may take for all that it is asked."""

DIRECTIVES = (
    "appendfsync",
    "client-output-buffer-limit",
    "min-replicas-to-write",
    "min-replicas-max-lag",
    "save",
    "timeout",
)

ELSEWHERE = ("MOVED", "ASK")
"""Of a slot that has just moved, or a server with so few that no name was found: nothing is wrong."""

Range = tuple[int, int]
FAILURES = (OSError, LineLost, ReplyError, TimeoutError, UnicodeError)
"""The last is what becomes of a host that cannot be a name."""


class _Place(Struct, frozen=True):
    """Where a server is expected, and which slots it is expected to have."""

    endpoint: Endpoint
    is_replica: bool = False
    slots: tuple[Range, ...] = ((0, SLOTS - 1),)


async def examine(address: Address, *, prefix: str) -> Facts:
    """Ask all servers at once. Servers that do not answer are among the facts.

    Raises `SettingsError` for certificates, or a prefix, that cannot be used.
    """
    examiner = _Examiner(address, prefix)
    match address.deployment:
        case Deployment.STANDALONE:
            facts = Facts(address=address, servers=await examiner.servers([_Place(address.endpoints[0])]))
        case Deployment.SENTINEL:
            facts = await examiner.sentinel()
        case Deployment.CLUSTER:
            facts = await examiner.cluster()
    return replace(facts, prefix=prefix)


class _Examiner:
    def __init__(self, address: Address, prefix: str) -> None:
        self._address = address
        self._clustered = address.deployment is Deployment.CLUSTER
        self._keys = Keys(prefix, database=address.database, clustered=self._clustered)
        self._introduction = Introduction(address, "tidings-doctor")
        self._stranger = Introduction(replace(address, credentials=Credentials(), database=0), "tidings-doctor")

    # Who there is.

    async def sentinel(self) -> Facts:
        asked = await asyncio.gather(*(self._sentinel(endpoint) for endpoint in self._address.endpoints))
        places: dict[Endpoint, _Place] = {}
        for one, replicas in asked:
            if one.master:
                places.setdefault(_endpoint(one.master), _Place(_endpoint(one.master)))
            for replica in replicas:
                places.setdefault(replica, _Place(replica, is_replica=True))
        servers = await self.servers(places.values())
        return Facts(address=self._address, servers=servers, sentinels=tuple(one for one, _ in asked))

    async def cluster(self) -> Facts:
        maps = await asyncio.gather(*(self._map(endpoint) for endpoint in self._address.endpoints))
        told = next((answer for answer in maps if not isinstance(answer, Server)), [])
        places, lonely = _places(told)
        strangers = [
            replace(each, name=named(endpoint))
            for endpoint, each in zip(self._address.endpoints, maps, strict=True)
            if isinstance(each, Server) and endpoint not in places
        ]
        servers = await self.servers(places.values())
        return Facts(
            address=self._address,
            servers=(*servers, *strangers),
            uncovered=_uncovered([span for place in places.values() if not place.is_replica for span in place.slots]),
            lonely=lonely if told else (),
        )

    async def servers(self, places: Iterable[_Place]) -> tuple[Server, ...]:
        return tuple(await asyncio.gather(*(self._server(place) for place in places)))

    # Each of them.

    async def _sentinel(self, endpoint: Endpoint) -> tuple[Sentinel, list[Endpoint]]:
        name, service = named(endpoint), self._address.service
        try:
            async with asyncio.timeout(PATIENCE):
                line = await self._introduction.open_to_sentinel(endpoint)
                try:
                    found = await line.call(b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", service)
                    if found is None:
                        return Sentinel(name=name), []
                    master = named((found[0].decode(), int(found[1])))
                    replicas = await line.call(b"SENTINEL", b"REPLICAS", service)
                    quorum = await _refusal(line, b"SENTINEL", b"CKQUORUM", service)
                finally:
                    line.end("asked")
        except FAILURES as error:
            return Sentinel(name=name, trouble=_text(error)), []
        return Sentinel(name=name, master=master, quorum=quorum), [_replica(each) for each in replicas]

    async def _map(self, endpoint: Endpoint) -> list[Any] | Server:
        """The map of the slots, with the asked server's host where one is missing; or why there is none."""
        try:
            async with asyncio.timeout(PATIENCE), self._line(endpoint) as line:
                answer = await line.call(b"CLUSTER", b"SLOTS")
        except FAILURES as error:
            return Server(name="", trouble=_text(error), is_local=is_loopback(endpoint[0]))
        return [[first, last, *(_member(each, endpoint) for each in members)] for first, last, *members in answer]

    async def _server(self, place: _Place) -> Server:
        server = Server(
            name=named(place.endpoint), is_replica=place.is_replica, is_local=is_loopback(place.endpoint[0])
        )
        try:
            async with asyncio.timeout(PATIENCE), self._line(place.endpoint) as line:
                info = _info(await _answer(line, b"INFO", default=b""))
                config = await _config(line)
                began = time.time()
                seconds, microseconds = await _answer(line, b"TIME", default=(0, 0))
                ended = time.time()
                cluster = _info(await _answer(line, b"CLUSTER", b"INFO", default=b"")) if self._clustered else {}
                refusals = () if info.get("role") == "slave" else await self._try(line, place)
                is_open = await self._is_open(place.endpoint)
        except FAILURES as error:
            return replace(server, trouble=_text(error))
        there = int(seconds) + int(microseconds) / 1_000_000
        return replace(
            server,
            info=info,
            config=config,
            ahead=there - (began + ended) / 2 if there else 0.0,
            doubt=(ended - began) / 2,
            refusals=refusals,
            is_open=is_open,
            cluster=cluster,
        )

    async def _is_open(self, endpoint: Endpoint) -> bool:
        try:
            line = await self._stranger.open(endpoint, lambda push: None, lambda reason: None)
        except FAILURES:
            return False
        line.end("asked")
        return True

    async def _try(self, line: Line, place: _Place) -> tuple[Refusal, ...]:
        name, node = (_name_on(place.slots, key) for key in (self._keys.meta, self._keys.control))
        refused = await _attempts(line, rights.preparing(self._keys, name))
        if not refused:
            with_nodes = _has(place.slots, self._keys.node_leases())
            everything = rights.trying(self._keys, name, node, clustered=self._clustered, with_nodes=with_nodes)
            refused = await _attempts(line, everything)
        return tuple({(refusal.command, refusal.text): refusal for refusal in refused}.values())

    @asynccontextmanager
    async def _line(self, endpoint: Endpoint) -> AsyncIterator[Line]:
        line = await self._introduction.open(endpoint, lambda push: None, lambda reason: None)
        try:
            yield line
        finally:
            line.end("asked")


# Answers.


async def _answer(line: Line, *words: bytes, default: Any) -> Any:
    """What a server that may refuse says."""
    try:
        return await line.call(*words)
    except ReplyError:
        return default


async def _refusal(line: Line, *words: bytes | str) -> str:
    try:
        await line.call(*words)
    except ReplyError as error:
        return str(error)
    return ""


async def _attempts(line: Line, attempts: Iterable[rights.Attempt]) -> list[Refusal]:
    """One after the other, because later ones need what earlier ones have written."""
    return [refusal for each in attempts if (refusal := await _attempt(line, each)) is not None]


async def _attempt(line: Line, attempt: rights.Attempt) -> Refusal | None:
    try:
        if attempt.listens:
            verb, channel = attempt.words
            assert isinstance(verb, bytes) and isinstance(channel, str)
            await line.listen(verb, [channel])
        else:
            await line.call(*attempt.words)
    except ReplyError as error:
        if error.kind not in ELSEWHERE:
            return Refusal(attempt.name, error.kind, str(error))
    return None


async def _config(line: Line) -> dict[str, str] | None:
    config: dict[str, str] = {}
    for directive in DIRECTIVES:
        found = await _answer(line, b"CONFIG", b"GET", directive.encode(), default=None)
        if found is None:
            return None
        config |= {key.decode(): value.decode() for key, value in found.items()}
    return config


def _info(answer: bytes) -> dict[str, str]:
    rows = answer.decode(errors="replace").splitlines()
    return dict(row.split(":", 1) for row in rows if ":" in row and not row.startswith("#"))


def _replica(facts: Mapping[bytes, bytes]) -> Endpoint:
    return facts[b"ip"].decode(), int(facts[b"port"])


def _member(member: Sequence[Any], asked: Endpoint) -> Endpoint:
    return (member[0] or b"").decode() or asked[0], int(member[1])


def _places(answer: list[Any]) -> tuple[dict[Endpoint, _Place], tuple[str, ...]]:
    """The servers of a map of slots, and the names of the primaries that have no replica."""
    spans: dict[Endpoint, list[Range]] = {}
    replicas: dict[Endpoint, set[Endpoint]] = {}
    for first, last, primary, *others in answer:
        spans.setdefault(primary, []).append((int(first), int(last)))
        replicas.setdefault(primary, set()).update(others)
    places = {primary: _Place(primary, slots=tuple(found)) for primary, found in spans.items()}
    for replica in {one for group in replicas.values() for one in group}:
        places.setdefault(replica, _Place(replica, is_replica=True))
    return places, tuple(named(primary) for primary, group in replicas.items() if not group)


def _uncovered(spans: Iterable[Range]) -> tuple[Range, ...]:
    """What is missing between the ranges."""
    missing, following = [], 0
    for first, last in sorted(spans):
        if first > following:
            missing.append((following, first - 1))
        following = max(following, last + 1)
    if following < SLOTS:
        missing.append((following, SLOTS - 1))
    return tuple(missing)


def _name_on(slots: Sequence[Range], key: Callable[[str], str]) -> str:
    """A name whose key is on a server that has these slots. Of one that has next to none, perhaps not."""
    for _ in range(SLOTS * 4):
        name = f"doctor-{secrets.token_hex(8)}"
        if _has(slots, key(name)):
            break
    return name


def _has(slots: Sequence[Range], key: str) -> bool:
    return any(first <= slot(key) <= last for first, last in slots)


def _endpoint(name: str) -> Endpoint:
    host, _, port = name.rpartition(":")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _text(error: Exception) -> str:
    if isinstance(error, TimeoutError) and not str(error):
        return f"no answer within {PATIENCE:g} s"
    return str(error) or type(error).__name__
