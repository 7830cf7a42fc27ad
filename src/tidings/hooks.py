"""How facts reach those who want to know."""

from __future__ import annotations

from collections.abc import Callable

from tidings.events import Fact

Listener = Callable[[Fact], None]


class Hooks:
    """Hands each fact to every listener, at once and in order.

    Listeners run inside the code that announces, so they count, log or enqueue, and return. A listener that raises
    would break what it observes; that is a defect of the listener, and is not caught here.
    """

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = list(listeners)

    def listen(self, listener: Listener) -> None:
        """Add a listener."""
        self._listeners.append(listener)

    def announce(self, fact: Fact) -> None:
        for listener in self._listeners:
            listener(fact)
