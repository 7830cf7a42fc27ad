"""One command that starts what tests need, runs pytest, and says what came of it: `tidings test`."""

from tidings.testing.runner.plan import Level, Options, Plan, PlanError, plan
from tidings.testing.runner.run import run
from tidings.testing.runner.summary import Summary, summarise

__all__ = ["Level", "Options", "Plan", "PlanError", "Summary", "plan", "run", "summarise"]
