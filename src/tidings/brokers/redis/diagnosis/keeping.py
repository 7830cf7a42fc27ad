"""How well a server keeps what it is given: on disk, and in memory."""

from __future__ import annotations

from tidings.brokers.redis.diagnosis.facts import Facts, Server
from tidings.findings import Judging, Level

FULL = 0.75
"""How much of `maxmemory` may be in use."""

NEW_EPOCH = "After a restart every stream has a new epoch, and clients are told `recovered: false`"


def persistence(server: Server, facts: Facts) -> Judging:
    if server.info.get("rdb_last_bgsave_status", "ok") != "ok":
        yield Level.PROBLEM, "persistence", "the last snapshot could not be written. See its log, and the disk."
    if server.info.get("aof_last_write_status", "ok") != "ok":
        yield Level.PROBLEM, "persistence", "the append-only file cannot be written. See its log, and the disk."
    if server.info.get("aof_enabled") == "1":
        yield _append_only(server.setting("appendfsync"))
    elif server.setting("save"):
        yield (
            Level.WARNING,
            "persistence",
            "snapshots only (RDB): a restart goes back to the last one, and what came since is gone, subscriptions "
            f"that users keep among it. {NEW_EPOCH}. Set appendonly to yes.",
        )
    elif server.info and server.config is not None:
        yield (
            Level.WARNING,
            "persistence",
            f"none: a restart loses history, presence, and the subscriptions that users keep. {NEW_EPOCH}; presence "
            "is told anew. Set appendonly to yes where that is too little.",
        )


def _append_only(fsync: str | None) -> tuple[Level, str, str]:
    match fsync:
        case "no":
            return (
                Level.WARNING,
                "persistence",
                "append-only file, written to disk when the system likes: a power cut loses up to half a minute. "
                f"{NEW_EPOCH}. Set appendfsync to everysec.",
            )
        case "always":
            return Level.OK, "persistence", f"append-only file, each write on disk. {NEW_EPOCH}, all the same."
        case _:
            return (
                Level.OK,
                "persistence",
                f"append-only file, on disk every second: a power cut loses up to two seconds. {NEW_EPOCH}.",
            )


def eviction(server: Server, facts: Facts) -> Judging:
    policy = server.info.get("maxmemory_policy", "")
    limited = server.number("maxmemory") > 0
    if policy.startswith("allkeys"):
        when = "When memory is full" if limited else "As soon as maxmemory is set and reached"
        yield (
            Level.PROBLEM,
            "eviction",
            f"maxmemory-policy is {policy}. {when}, Redis removes any key: streams (clients are told), users' kept "
            "subscriptions (nobody is told), and results of idempotency keys, so that a repetition is published "
            "twice. Set it to noeviction.",
        )
    elif policy.startswith("volatile") and limited:
        yield (
            Level.WARNING,
            "eviction",
            f"maxmemory-policy is {policy}. When memory is full, Redis removes keys that have a life time: streams "
            "(clients are told), presence, connections (until they are renewed), and results of idempotency keys. "
            "Set it to noeviction, with which publications fail instead and their publishers know.",
        )
    elif policy:
        yield Level.OK, "eviction", f"{policy}{'' if limited else ', and memory is not limited'}: no key vanishes."


def memory(server: Server, facts: Facts) -> Judging:
    used, most = server.number("used_memory"), server.number("maxmemory")
    if not server.info:
        return
    if not most:
        yield Level.OK, "memory", f"{readable(used)} in use; maxmemory is not set, so the machine's is the limit."
    elif used > most * FULL:
        yield (
            Level.WARNING,
            "memory",
            f"{readable(used)} of {readable(most)} (maxmemory) in use. When it is full, publications with history "
            "fail. Raise it, or keep less: smaller history_size, shorter history_ttl.",
        )
    else:
        yield Level.OK, "memory", f"{readable(used)} of {readable(most)} (maxmemory) in use."


def readable(count: int) -> str:
    """Bytes as people read them."""
    size, units = float(count), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{size:.0f} {units[0]}" if size >= 10 or units[0] == "bytes" else f"{size:.1f} {units[0]}"
