"""What several servers form together: sentinels, a cluster, and the way to all of them."""

from __future__ import annotations

from tidings.brokers.redis.address import Deployment
from tidings.brokers.redis.diagnosis.facts import Facts, Sentinel
from tidings.brokers.redis.diagnosis.reaching import because, cure
from tidings.findings import Judging, Level

SENTINELS = 3


def one_sentinel(sentinel: Sentinel) -> Judging:
    if sentinel.trouble:
        yield Level.PROBLEM, "reachable", f"{because(sentinel.trouble)} {cure(sentinel.trouble)}"
    elif not sentinel.master:
        yield Level.PROBLEM, "service", "knows no such service. Name the one of its `sentinel monitor` in the URL."
    elif sentinel.quorum:
        yield Level.PROBLEM, "quorum", f"could not agree upon a failover: {sentinel.quorum}. Start more sentinels."
    else:
        yield Level.OK, "reachable", f"says that the master is {sentinel.master}, and a failover could be agreed upon."


def together(facts: Facts) -> Judging:
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
