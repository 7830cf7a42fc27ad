"""What becomes of publishers when their process forks, and when it ends.

Fork
    Meanwhile the publishers' threads stand still where they hold no lock: neither one of the import system nor one
    inside of OpenSSL, for which the child would wait in vain. The child has none of these threads. It leaves everything
    alone that the parent's publishers hold: their sockets, their loops, and what they have not published yet, which is
    the parent's to publish. A publisher that is used in the child begins anew there.
End
    What was accepted is published before the interpreter ends, within `EXIT_TIMEOUT`. A process that ends otherwise, by
    `os._exit` or a signal, publishes nothing more.
"""

from __future__ import annotations

import atexit
import concurrent.futures.thread  # noqa: F401  # before our hook is set: see `_on_exit`
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from tidings.app.publisher.orders import when_settled

if TYPE_CHECKING:
    from tidings.app.publisher.engine import Engine

EXIT_TIMEOUT = 5.0
"""Seconds that the end of the process waits for publications, all publishers together."""

_log = logging.getLogger("tidings.publisher")


class Forks(Protocol):
    """Somebody to whom it matters."""

    def forked(self) -> None:
        """This is the child. Nobody else is running; locks may be held by threads that are not there."""


FORKING: weakref.WeakSet[Forks] = weakref.WeakSet()
ENGINES: set[Engine] = set()

_abandoned: list[object] = []
"""The parent's engines, kept for good: a destructor would close sockets and loops which the parent still uses."""


PARK_TIMEOUT = 1.0
"""Seconds that a fork waits for the publishers' threads. One that is busy for longer is forked as it is."""

_gates: dict[int, threading.Event] = {}
"""What opens when a fork is over, by the thread that forks."""


def _park() -> None:
    gate = _gates[threading.get_ident()] = threading.Event()
    parked = [engine.park(gate) for engine in list(ENGINES) if not engine.is_here]
    deadline = time.monotonic() + PARK_TIMEOUT
    for each in parked:
        each.wait(max(0.0, deadline - time.monotonic()))


def _go_on() -> None:
    if (gate := _gates.pop(threading.get_ident(), None)) is not None:
        gate.set()


def _forked() -> None:
    _gates.clear()
    _abandoned.extend(ENGINES)
    ENGINES.clear()
    for each in list(FORKING):
        each.forked()


class _Exit:
    """Flushes twice: before other threads are waited for, while connections can still be made; and after them."""

    def __init__(self) -> None:
        self._deadline: float | None = None

    def flush(self) -> None:
        if self._deadline is None:
            self._deadline = time.monotonic() + EXIT_TIMEOUT
        for engine in list(ENGINES):
            settled = when_settled(engine.orders.unsettled())
            try:
                settled.result(max(0.0, self._deadline - time.monotonic()))
            except TimeoutError:
                continue

    def close(self) -> None:
        self.flush()
        for engine in list(ENGINES):
            if left := len(engine.orders.unsettled()):
                _log.warning("%d publications were not delivered before the process ended.", left)
            engine.close()


_exit = _Exit()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_park, after_in_parent=_go_on, after_in_child=_forked)


def _on_exit(function: Callable[[], None]) -> None:
    """Have a function called when the main thread is done, and before pools of threads end.

    A host's name is looked up in such a pool, and with `atexit` that would be too late for a connection. A child made
    by `multiprocessing` calls these functions, too, and those of `atexit` not. The door is not a public one: where it
    is closed, `atexit` has to do.
    """
    getattr(threading, "_register_atexit", atexit.register)(function)


_on_exit(_exit.flush)
atexit.register(_exit.close)
