"""One run of one path: Redis dies and comes back while publications go on, and afterwards everything is counted."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path as File

from benchmarks.faults.outcome import Outcome, judge
from benchmarks.faults.paths import Cast, Path, Place
from benchmarks.faults.program import ProgramError, Said
from tidings.model import StreamPosition
from tidings.testing.delivery import (
    ChannelRules,
    FaultInjected,
    History,
    PublishFailed,
    PublishInvoked,
    PublishOk,
    PublishUnknown,
    Rules,
    check,
    stamped,
    tag_of,
)

PATIENCE_WITH_CALLS = 25.0
"""Seconds after the last publication in which its call has to end."""


@dataclass(frozen=True)
class Plan:
    """When what happens, in seconds from the first publication. `settle` is how long after the last call has ended an
    accepted publication may still arrive."""

    seconds: float = 14.0
    kill_at: float = 3.0
    down: float = 2.0
    interval: float = 0.02
    settle: float = 5.0


def run(path: Path, plan: Plan, peers: str) -> Outcome:
    """Raises `ProgramError` and `ServiceError` where something did not start or did not end."""
    with ExitStack() as stack:
        directory = File(stack.enter_context(tempfile.TemporaryDirectory(prefix="faults-")))
        redis = stack.enter_context(path.server())
        place = Place(redis, directory, peers, stack)
        cast = path.starts(place)
        cast.sender.wait_for("ready")
        cast.sender.tell(f"{plan.seconds} {plan.interval}")
        first = cast.sender.wait_for("began").at
        _sleep_until(first + plan.kill_at)
        redis.kill()
        killed = time.monotonic()
        _sleep_until(first + plan.kill_at + plan.down)
        redis.restart()
        back = time.monotonic()
        cast.sender.wait_for("finished", plan.seconds + PATIENCE_WITH_CALLS)
        _wait_for_arrivals(cast, plan.settle)
        cast.hearer.end()
        sent, heard = cast.sender.said, cast.hearer.said
        verdict = _verdict(path, sent, cast, killed, back) if cast.history is not None else ""
        return judge(sent, heard, back, verdict)


def _wait_for_arrivals(cast: Cast, settle: float) -> None:
    """Until everything that was accepted is there, or for as long as that may take."""
    accepted = {each.id for each in cast.sender.said if each.what == "accepted"}
    cast.hearer.wait_until(lambda: accepted <= {each.id for each in cast.hearer.said if each.what == "got"}, settle)


def _verdict(path: Path, sent: Iterable[Said], cast: Cast, killed: float, back: float) -> str:
    """What the toolkit's delivery checker says, for the whole run of the client."""
    assert cast.history is not None
    heard = History.load(cast.history)
    published = History(origin=min(heard.origin, min(each.at for each in sent)))
    published.add(
        *(record for each in sent for record in _records(each, path.channel, published.origin)),
        FaultInjected(killed - published.origin, "redis killed"),
        FaultInjected(back - published.origin, "redis back"),
    )
    rules = Rules(
        channels={path.channel: ChannelRules(history=path.is_kept)}, expected_faults=("redis killed", "redis back")
    )
    verdict = check(History.merged(published, heard), rules)
    return "kept" if verdict.is_kept else str(verdict)


def _records(
    each: Said, channel: str, origin: float
) -> Iterable[PublishInvoked | PublishOk | PublishFailed | PublishUnknown]:
    at = each.at - origin
    if each.what == "began":
        # Calls overlap, so that no two of them have an order: each is a publisher of its own.
        yield PublishInvoked(at, each.id, channel, each.id, tag_of(stamped(each.id)).content)
    elif each.what == "accepted":
        yield PublishOk(at, each.id, StreamPosition(each.offset, each.epoch) if each.offset else None)
    elif each.what == "raised" and each.why.startswith("Refused") and "outcome unknown" not in each.why:
        yield PublishFailed(at, each.id, temporary=True)
    elif each.what == "raised":
        yield PublishUnknown(at, each.id)


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


__all__ = ["Plan", "ProgramError", "run"]
