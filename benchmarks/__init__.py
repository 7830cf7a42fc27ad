"""What Tidings costs, as ratios measured in one run: `python -m benchmarks`.

Everything is measured for three servers in turn, round by round: a raw loop that does the least a server can do, the
loop that one would otherwise write with Starlette, and Tidings. What the machine does besides hits all three alike, and
the median of the rounds' ratios leaves most of it out. `docs/performance.md` describes the method.
"""
