"""What the server would not do: missing permissions by what to allow, all else by its reason."""

from __future__ import annotations

from tidings.brokers.redis.diagnosis.facts import Facts, Refusal, Server
from tidings.findings import Judging, Level

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


def permissions(server: Server, facts: Facts) -> Judging:
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


def _listed(names: list[str]) -> str:
    return ", ".join(dict.fromkeys(names))
