"""How much one process takes: publications by HTTP, connections, what peers take, and how the cost of it grows.

The rows are named beside those of `benchmarks`, and run with the same command. Each has servers of its own to compare
with.
"""

from benchmarks.capacity.parts import FULL, QUICK, Part, Scale, run
from benchmarks.capacity.report import markdown, show
from benchmarks.capacity.rows import PARTS

__all__ = ["FULL", "PARTS", "QUICK", "Part", "Scale", "markdown", "run", "show"]
