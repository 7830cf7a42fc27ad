"""Reads the history of a run, and proves or refutes the promises that were made in it.

>>> verdict = check(history, Rules(channels={"news": ChannelRules(history=True)}))
>>> verdict.raise_if_broken()

Each invariant is a function of its own, in `invariants`. A verdict holds the first violation of each that is broken,
the earliest of all first, and what became of the publications of each channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidings.testing.delivery import report
from tidings.testing.delivery.accounts import Account, accounts
from tidings.testing.delivery.history import History
from tidings.testing.delivery.invariants import INVARIANTS, Violation
from tidings.testing.delivery.invariants.violation import RANK
from tidings.testing.delivery.rules import Rules
from tidings.testing.delivery.run import Run


class PromiseBroken(AssertionError):
    """A run broke a promise. The text names it, by what it was broken, and what happened around that."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(str(verdict))
        self.verdict = verdict


@dataclass(frozen=True, slots=True)
class Broken:
    """A violation, and the events around it as lines of text."""

    violation: Violation
    around: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(
            [
                f"Broken: {self.violation.invariant.value}.",
                f"Promised: {self.violation.promise}.",
                f"But: {self.violation.what}.",
                "",
                "  seconds    what happened around it",
                *self.around,
            ]
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the history of a run says about the promises."""

    broken: tuple[Broken, ...]
    """For each invariant that is broken its first violation; the earliest comes first."""

    channels: Mapping[str, Account]
    """What became of the publications, by channel."""

    @property
    def is_kept(self) -> bool:
        """Whether all promises were kept."""
        return not self.broken

    def raise_if_broken(self) -> None:
        """Raise `PromiseBroken` if any promise was."""
        if self.broken:
            raise PromiseBroken(self)

    def __str__(self) -> str:
        first = [str(each) for each in self.broken[:1]] or ["All promises were kept."]
        others = [f"{each.violation.invariant.value}: {each.violation.what}" for each in self.broken[1:]]
        also = ["", "Also broken:", *(f"  {each}" for each in others)] if others else []
        return "\n".join([*first, *also, "", *report.table(self.channels)])


def check(history: History, rules: Rules) -> Verdict:
    """Hold a history to the rules.

    Raises `BadHistory` for a history that contradicts itself or is empty, and `ValueError` where the rules say nothing
    about a channel in which something was published or delivered.
    """
    run = Run(history)
    counts = accounts(run, rules)
    found = [violation for invariant in INVARIANTS if (violation := invariant(run, rules)) is not None]
    found.sort(key=lambda each: (each.at, RANK[each.invariant]))
    return Verdict(tuple(Broken(each, tuple(report.around(each, run))) for each in found), counts)
