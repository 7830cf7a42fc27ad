"""From facts to findings, pure: what is so, what follows for what Tidings promises, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tidings.brokers.redis.address import Deployment
from tidings.brokers.redis.diagnosis import keeping
from tidings.brokers.redis.diagnosis.facts import Facts, Refusal, Sentinel, Server
from tidings.brokers.redis.diagnosis.findings import Finding, Level

OLDEST, OLDEST_IN_CLUSTER = (6, 2), (7, 0)
CLOCKS = 1.0
"""Seconds by which clocks may differ."""

SENTINELS = 3
BUSY = 0.9
"""How much of `maxclients` may be in use."""

PUBSUB_BUFFER = 8 * 1024 * 1024
"""Bytes that may wait for a node which is busy for a moment."""

IDLE = 15
"""Seconds after which the server may end an idle connection; a node says something every five."""

ALL = "all servers"

Judging = Iterator[tuple[Level, str, str]]
"""Level, subject, text."""


def judge(facts: Facts) -> list[Finding]:
    """All findings, server by server, then what they form together."""
    findings = [Finding(level, one.name, *said) for one in facts.sentinels for level, *said in _sentinel(one)]
    for server in facts.servers:
        findings += [Finding(level, server.name, *said) for level, *said in _server(server, facts)]
    findings += [Finding(level, ALL, *said) for level, *said in _together(facts)]
    return findings


# One sentinel, and all.


def _sentinel(sentinel: Sentinel) -> Judging:
    if sentinel.trouble:
        yield Level.PROBLEM, "reachable", f"{_because(sentinel.trouble)} {_cure(sentinel.trouble)}"
    elif not sentinel.master:
        yield Level.PROBLEM, "service", "knows no such service. Name the one of its `sentinel monitor` in the URL."
    elif sentinel.quorum:
        yield Level.PROBLEM, "quorum", f"could not agree upon a failover: {sentinel.quorum}. Start more sentinels."
    else:
        yield Level.OK, "reachable", f"says that the master is {sentinel.master}, and a failover could be agreed upon."


def _together(facts: Facts) -> Judging:
    if facts.address.deployment is Deployment.SENTINEL:
        yield from _sentinels(facts)
    if facts.address.deployment is Deployment.CLUSTER:
        yield from _cluster(facts)
    yield from _encryption(facts)


def _sentinels(facts: Facts) -> Judging:
    masters = {one.master for one in facts.sentinels if one.master}
    if len(masters) > 1:
        told = " and ".join(sorted(masters))
        yield Level.PROBLEM, "master", f"the sentinels name different ones: {told}. If this lasts, look at their logs."
    if len(facts.sentinels) < SENTINELS:
        yield (
            Level.WARNING,
            "sentinels",
            f"the URL names {len(facts.sentinels)}. With fewer than {SENTINELS}, no failover survives the loss of one, "
            "and a node that starts needs one that it knows. Name at least three, on different machines.",
        )
    if masters and not any(server.is_replica for server in facts.servers):
        yield Level.WARNING, "replicas", "the master has none, so that nobody can take its place. Add one."


def _cluster(facts: Facts) -> Judging:
    if not any(server.info for server in facts.servers):
        return
    if facts.uncovered:
        spans = ", ".join(f"{first} to {last}" if first != last else f"{first}" for first, last in facts.uncovered)
        yield (
            Level.PROBLEM,
            "slots",
            f"nobody has {spans}. Channels and users there cannot be used, and by default nothing else either. "
            "See `redis-cli --cluster check`, and give them to a primary with `--cluster fix`.",
        )
    else:
        yield Level.OK, "slots", "every one has a primary."
    if facts.lonely:
        names = ", ".join(facts.lonely)
        yield (
            Level.WARNING,
            "replicas",
            f"{names} has none. When it is lost, its channels and users cannot be used until it is back. Add replicas.",
        )


def _encryption(facts: Facts) -> Judging:
    tls = facts.address.tls
    if tls is None and not all(server.is_local for server in facts.servers):
        yield (
            Level.WARNING,
            "TLS",
            "is off, and the servers are on other machines: passwords and publications can be read on the way. "
            "Use rediss://, or a network that is yours alone.",
        )
    elif tls is not None and not tls.verify:
        yield (
            Level.WARNING,
            "TLS",
            "certificates are not verified, so that anybody can pose as the server. Name the authority in "
            "ssl_ca_certs, and leave out ssl_cert_reqs=none.",
        )
    else:
        yield Level.OK, "TLS", "is on." if tls is not None else "is off, and all is on this machine."


# One server.


def _server(server: Server, facts: Facts) -> Judging:
    if server.trouble:
        yield _unreachable(server)
        return
    takes = ", and takes user and password" if facts.address.credentials.password else ""
    yield Level.OK, "reachable", f"answers{takes}."
    judges: list[Callable[[Server, Facts], Judging]] = [
        _version,
        _role,
        _permissions,
        keeping.persistence,
        keeping.eviction,
        keeping.memory,
        _safety_of_writes,
        _buffers,
        _connections,
        _clock,
        _state,
        _openness,
    ]
    for each in judges:
        yield from each(server, facts)


def _unreachable(server: Server) -> tuple[Level, str, str]:
    level = Level.WARNING if server.is_replica else Level.PROBLEM
    what = "cannot take over, since it" if server.is_replica else ""
    return level, "reachable", f"{_because(server.trouble, what)} {_cure(server.trouble)}"


def _version(server: Server, facts: Facts) -> Judging:
    version = server.info.get("redis_version", "")
    if not version:
        return
    clustered = facts.address.deployment is Deployment.CLUSTER
    needed = OLDEST_IN_CLUSTER if clustered else OLDEST
    why = "sharded pub/sub came with it" if clustered else "reading history after a position came with it"
    if server.version < needed:
        yield Level.PROBLEM, "version", f"{version} is too old; {needed[0]}.{needed[1]} or newer is needed: {why}."
    else:
        yield Level.OK, "version", f"{version}; {needed[0]}.{needed[1]} or newer is needed."


def _role(server: Server, facts: Facts) -> Judging:
    clustered = facts.address.deployment is Deployment.CLUSTER
    if clustered != (server.info.get("cluster_enabled", str(int(clustered))) == "1"):
        other = "is not part of a cluster. Use redis://" if clustered else "is part of a cluster. Use redis+cluster://"
        yield Level.PROBLEM, "role", f"{other}."
        return
    role = server.info.get("role")
    if role == "master":
        count = server.number("connected_slaves")
        replicas = f"with {count} replica{'s' if count != 1 else ''}" if count else "without replicas"
        yield Level.OK, "role", f"{'primary' if clustered else 'master'}, {replicas}."
    elif role == "slave" and not server.is_replica:
        where = f"{server.info.get('master_host', '?')}:{server.info.get('master_port', '?')}"
        yield Level.PROBLEM, "role", f"is a replica, which takes no publications. Name its master, {where}, in the URL."
    elif role == "slave" and server.info.get("master_link_status") != "up":
        yield Level.WARNING, "role", "replica without a link to its master: it falls behind. See its log."
    elif role == "slave":
        yield Level.OK, "role", "replica, linked to its master."


SCRIPTED = ("eval", "evalsha")

REFUSALS = {
    "OOM": "memory is full. Raise maxmemory, or keep less: smaller history_size, shorter history_ttl.",
    "MISCONF": "the last snapshot could not be written, so that it takes no writes. See its log, and the disk.",
    "NOREPLICAS": "too few replicas follow (min-replicas-to-write). Bring them back, or lower it.",
    "CLUSTERDOWN": "the cluster is down. See the slots, and the state of each server.",
    "READONLY": "it has become a replica in this moment. Look again.",
    "LOADING": "it reads its data from disk. Look again when it has.",
}
"""Why a server may refuse what a permission allows, by the first word of its answer."""


def _permissions(server: Server, facts: Facts) -> Judging:
    if server.info.get("role") == "slave":
        return
    denied = [refusal for refusal in server.refusals if refusal.kind == "NOPERM"]
    if denied:
        yield Level.PROBLEM, "permissions", _denial(denied, facts.prefix)
    # A script fails with what it calls, which has been found by itself.
    others = [one for one in server.refusals if one.kind != "NOPERM" and not (denied and one.command in SCRIPTED)]
    for kind in dict.fromkeys(refusal.kind for refusal in others):
        first = next(refusal for refusal in others if refusal.kind == kind)
        commands = _listed([refusal.command for refusal in others if refusal.kind == kind])
        why = REFUSALS.get(kind, f"it says {first.text!r}. The command may be renamed, or be missing in this product.")
        yield Level.PROBLEM, "refusals", f"{commands}: {why}"
    if not server.refusals:
        yield Level.OK, "permissions", "every command, key and channel that is needed may be used."


def _denial(denied: list[Refusal], prefix: str) -> str:
    """The server's words are `…to run the 'xadd' command`, `…to access one of the keys…`, `…to access a channel`."""
    keys = [refusal.command for refusal in denied if "key" in refusal.text]
    channels = [refusal.command for refusal in denied if "channel" in refusal.text]
    commands = [one.command for one in denied if one.command not in keys + channels]
    parts = []
    if commands:
        allowed = " ".join(f"+{name}" for name in dict.fromkeys(commands))
        parts.append(f"the user may not use {_listed(commands)}: allow {allowed}")
    if keys:
        parts.append(f"the user may not use all keys under the prefix: allow ~{prefix}:*")
    if channels:
        parts.append(f"the user may not use all channels under the prefix: allow &{prefix}:*")
    return f"{'; '.join(parts)}. docs/redis.md has a user with all that is needed."


def _safety_of_writes(server: Server, facts: Facts) -> Judging:
    if facts.address.deployment is not Deployment.SENTINEL or server.is_replica:
        return
    needed, lag = server.setting("min-replicas-to-write"), server.setting("min-replicas-max-lag")
    if needed == "0" or lag == "0":
        yield (
            Level.WARNING,
            "failover",
            "min-replicas-to-write is 0: a master that is cut off from the others goes on taking publications, which "
            "are gone when a replica has taken its place. Set it to 1, and min-replicas-max-lag to 10.",
        )
    elif needed is not None:
        yield Level.OK, "failover", f"takes writes while {needed} replica(s) follow within {lag} s."


def _buffers(server: Server, facts: Facts) -> Judging:
    words = (server.setting("client-output-buffer-limit") or "").split()
    if "pubsub" not in words:
        return
    hard, soft, seconds = (int(word) for word in words[words.index("pubsub") + 1 :][:3])
    shown = f"client-output-buffer-limit pubsub is {_bytes(hard)}, or {_bytes(soft)} for {seconds} s"
    if not hard:
        yield (
            Level.WARNING,
            "buffers",
            "client-output-buffer-limit pubsub is 0: what waits for a node that hangs grows until the memory is full. "
            "Set it to 32mb 8mb 60.",
        )
    elif hard < PUBSUB_BUFFER or (soft and soft < PUBSUB_BUFFER / 8):
        yield (
            Level.WARNING,
            "buffers",
            f"{shown}: a node that is busy for a moment is cut off. It fills gaps from history; without history they "
            "are losses. Set it to 32mb 8mb 60.",
        )
    else:
        yield Level.OK, "buffers", f"{shown}."


def _connections(server: Server, facts: Facts) -> Judging:
    most, now = server.number("maxclients"), server.number("connected_clients")
    if most and now > most * BUSY:
        yield Level.WARNING, "connections", f"{now} of {most} (maxclients) are in use; a node needs two. Raise it."
    timeout = server.setting("timeout")
    if timeout is not None and 0 < int(timeout) < IDLE:
        yield (
            Level.WARNING,
            "connections",
            f"timeout is {timeout} s: it ends connections that are quiet for a moment. Set it to 0, or to {IDLE} and "
            "more.",
        )
    elif timeout is not None:
        yield Level.OK, "connections", "idle ones stay open." if timeout == "0" else f"idle for {timeout} s at most."


def _clock(server: Server, facts: Facts) -> Judging:
    amount = abs(server.ahead)
    if amount - server.doubt > CLOCKS:
        direction = "ahead of" if server.ahead > 0 else "behind"
        yield (
            Level.WARNING,
            "clock",
            f"{amount:.1f} s {direction} this machine's. Times of publications and tidings_delivery_age_seconds are "
            "wrong by that; leases are not. Synchronise both with NTP.",
        )
    elif server.info:
        yield Level.OK, "clock", f"differs from this machine's by {amount:.3f} s."


def _state(server: Server, facts: Facts) -> Judging:
    state = server.cluster.get("cluster_state", "ok")
    if state != "ok":
        yield Level.PROBLEM, "cluster", f"cluster_state is {state}: it refuses all keys. See the slots below."


def _openness(server: Server, facts: Facts) -> Judging:
    if server.config is None:
        yield (
            Level.WARNING,
            "settings",
            "CONFIG GET is not allowed, so persistence, buffers and timeouts are judged by INFO alone. Allow "
            "+config|get, or run this as another user.",
        )


# Words.


def _because(trouble: str, what: str = "") -> str:
    return f"{what} cannot be used: {trouble.rstrip('.')}.".strip()


CURES = {
    "WRONGPASS": "Check user and password in the URL; characters such as @ and / have to be percent-encoded.",
    "NOAUTH": "It wants a password: redis://user:password@host.",
    "NOPERM": "The user may not do what every connection begins with; docs/redis.md has one with all that is needed.",
    "command 'SENTINEL'": "It is no sentinel; those usually listen on port 26379.",
    "certificate": "Name the authority that signed its certificate in ssl_ca_certs, and use the name that is in it.",
    "SSL": "It may not speak TLS; redis:// is without.",
    "unknown command": "Redis 6.2 or newer is needed.",
    "database": "Use a number of a database that it has.",
    "DB index": "Use a number of a database that it has.",
    "cluster support disabled": "It is a single server: use redis://.",
    "reset by peer": "If it speaks TLS, use rediss://.",
    "speak the Redis protocol": "Is this the port of a Redis? If it speaks TLS, use rediss://.",
    "closed the connection": "If it speaks TLS, use rediss://.",
    "LOADING": "It reads its data from disk. Look again when it has.",
    "Connect call failed": "Is it running, and does it listen on this address and port?",
    "refused": "Is it running, and does it listen on this address and port?",
    "no answer": "Is it running, is no firewall in between, and does it speak TLS exactly if the URL does?",
    "not known": "Check the name of the host.",
}
"""What may help, by a part of what went wrong; the first that fits."""


def _cure(trouble: str) -> str:
    return next((cure for part, cure in CURES.items() if part.lower() in trouble.lower()), "Check the URL.")


def _listed(names: list[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def _bytes(count: int) -> str:
    return keeping.readable(count)
