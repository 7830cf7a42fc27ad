"""What Redis adds: publishing through it, delivery across nodes, a node's death, memory, and how all of it grows.

The rows are named `redis-…` beside those of `benchmarks`, and run with the same command. There is nobody to compare
with; so they print CPU time of the nodes and of Redis apart, and what the load client used.
"""

from benchmarks.over_redis.rows import FULL, QUICK, ROWS, Row, Scale
from benchmarks.over_redis.runs import Step, markdown, run, show

__all__ = ["FULL", "QUICK", "ROWS", "Row", "Scale", "Step", "markdown", "run", "show"]
