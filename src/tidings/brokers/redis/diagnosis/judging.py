"""From facts to findings, pure: what is so, what follows for what Tidings promises, and what to do."""

from __future__ import annotations

from collections.abc import Callable

from tidings.brokers.redis.address import Deployment
from tidings.brokers.redis.diagnosis import keeping, talking
from tidings.brokers.redis.diagnosis.facts import Facts, Server
from tidings.brokers.redis.diagnosis.reaching import because, cure
from tidings.brokers.redis.diagnosis.refusals import permissions
from tidings.brokers.redis.diagnosis.together import one_sentinel, together
from tidings.findings import Finding, Judging, Level

OLDEST, OLDEST_IN_CLUSTER = (6, 2), (7, 0)

ALL = "all servers"


def judge(facts: Facts) -> list[Finding]:
    """All findings, server by server, then what they form together."""
    findings = [Finding(level, one.name, *said) for one in facts.sentinels for level, *said in one_sentinel(one)]
    for server in facts.servers:
        findings += [Finding(level, server.name, *said) for level, *said in _server(server, facts)]
    findings += [Finding(level, ALL, *said) for level, *said in together(facts)]
    return findings


# One server.


def _server(server: Server, facts: Facts) -> Judging:
    if server.trouble:
        yield _unreachable(server)
        return
    asks = facts.address.credentials.password and not server.is_open
    yield Level.OK, "reachable", f"answers{', and takes user and password' if asks else ''}."
    judges: list[Callable[[Server, Facts], Judging]] = [
        _version,
        _role,
        _password,
        permissions,
        keeping.persistence,
        keeping.eviction,
        keeping.memory,
        _safety_of_writes,
        talking.buffers,
        talking.connections,
        talking.clock,
        _state,
        _openness,
    ]
    for each in judges:
        yield from each(server, facts)


def _unreachable(server: Server) -> tuple[Level, str, str]:
    level = Level.WARNING if server.is_replica else Level.PROBLEM
    what = "cannot take over, since it" if server.is_replica else ""
    return level, "reachable", f"{because(server.trouble, what)} {cure(server.trouble)}"


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


def _password(server: Server, facts: Facts) -> Judging:
    if not server.is_open or (server.is_local and not facts.address.credentials.password):
        return
    given = "one is given in the URL, and " if facts.address.credentials.password else ""
    yield (
        Level.WARNING,
        "password",
        f"{given}whoever has none is let in as well: the user default needs none. Set requirepass, or switch that "
        "user off: ACL SETUSER default off.",
    )


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
