"""What becomes of messages when Redis dies: `make bench-faults`.

Every path from a publisher to a client gets a Redis of its own, which is killed and comes back while publications go
on. What was accepted, what arrived and what the client was told is written down by every program as it happens, and
judged by the ids of the publications. `docs/performance.md` describes the method.
"""
