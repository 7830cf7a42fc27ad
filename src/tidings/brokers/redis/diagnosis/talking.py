"""How well a server talks to its clients: buffers, connections, clock."""

from __future__ import annotations

from tidings.brokers.redis.diagnosis.facts import Facts, Server
from tidings.brokers.redis.diagnosis.keeping import readable
from tidings.findings import Judging, Level

CLOCKS = 1.0
"""Seconds by which clocks may differ."""

BUSY = 0.9
"""How much of `maxclients` may be in use."""

PUBSUB_BUFFER = 8 * 1024 * 1024
"""Bytes that may wait for a node which is busy for a moment."""

IDLE = 15
"""Seconds after which the server may end an idle connection; a node says something every five."""


def buffers(server: Server, facts: Facts) -> Judging:
    words = (server.setting("client-output-buffer-limit") or "").split()
    if "pubsub" not in words:
        return
    hard, soft, seconds = (int(word) for word in words[words.index("pubsub") + 1 :][:3])
    shown = f"client-output-buffer-limit pubsub is {readable(hard)}, or {readable(soft)} for {seconds} s"
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


def connections(server: Server, facts: Facts) -> Judging:
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


def clock(server: Server, facts: Facts) -> Judging:
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
