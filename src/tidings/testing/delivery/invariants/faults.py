"""And: every fault that was expected has fired. A run without its faults has proved little."""

from __future__ import annotations

from collections import Counter

from tidings.testing.delivery.invariants import promises
from tidings.testing.delivery.invariants.violation import Invariant, Violation
from tidings.testing.delivery.rules import Rules
from tidings.testing.delivery.run import Run


def faults(run: Run, rules: Rules) -> Violation | None:
    """The first expected fault that did not fire, or not often enough."""
    expected, fired = Counter(rules.expected_faults), Counter(fault.name for fault in run.faults)
    for name, count in expected.items():
        if fired[name] < count:
            return Violation(
                invariant=Invariant.FAULTS,
                promise=promises.FAULTS,
                what=f"the fault {name!r} fired {fired[name]} of {count} times",
                at=run.end,
            )
    return None
