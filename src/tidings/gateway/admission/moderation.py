"""Between one connection's commands and its session, where commands have limits.

A command over a limit is answered with 111, which is temporary; at once, before those that still wait for an answer,
since it is not to fill their queue. Pongs and the connect command do not count. An unsubscribe over the limit is
carried out, because clients answer an error to it with a new connection; a message without a reply (`send`) is dropped.
Both count towards a flood, see `Flood`.
"""

from __future__ import annotations

import math
from typing import Protocol

from tidings import events
from tidings.errors import TooManyRequests
from tidings.gateway.admission.admission import Admission
from tidings.gateway.admission.flood import Course, Flood
from tidings.gateway.admission.rate import Rate
from tidings.gateway.admission.window import Window
from tidings.gateway.alarms import Alarms
from tidings.gateway.session import Session
from tidings.gateway.session.commands import COMMANDS
from tidings.gateway.session.state import Phase
from tidings.gateway.session.steps import Effect
from tidings.hooks import Hooks
from tidings.wire.centrifuge import codes
from tidings.wire.centrifuge.messages import Command, Error, Reply

REFUSED = Error(TooManyRequests.code, TooManyRequests.message, TooManyRequests.temporary)


class Readable(Protocol):
    """What can be made to wait: a `Transport`."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Moderation:
    """Takes a connection's commands in its session's place. It wakes itself to read on."""

    __slots__ = ("_admission", "_alarm", "_alarms", "_flood", "_hooks", "_session", "_transport", "_window")

    def __init__(
        self, admission: Admission, session: Session, transport: Readable, *, alarms: Alarms, hooks: Hooks
    ) -> None:
        self._admission = admission
        self._session = session
        self._transport = transport
        self._alarms = alarms
        self._hooks = hooks
        self._window = Window()
        self._flood: Flood | None = None
        self._alarm = math.inf

    def step(self, command: Command, now: float, size_bytes: int = 0) -> list[Effect]:
        """Take a command, as `Session.step` does."""
        state = self._session.state
        counts = (command.id or command.send is not None) and command.connect is None
        if not counts or state.phase not in (Phase.CONNECTING, Phase.CONNECTED):
            return self._session.step(command, now, size_bytes)
        struck = self._admission.command(self._window, state.user, now)
        if struck is None:
            return self._session.step(command, now, size_bytes)
        self._hooks.announce(events.RateLimited(struck[0], client=state.client, user=state.user))
        return [*self._refuse(command, now, size_bytes), *self._discourage(*struck, now)]

    def wake(self) -> None:
        """The pause is over."""
        self._alarm = math.inf
        self._transport.resume_reading()

    def leave(self) -> None:
        """The connection is over. Repeating it is harmless."""
        self._alarms.cancel(self._alarm, self)

    def _refuse(self, command: Command, now: float, size_bytes: int) -> list[Effect]:
        if command.unsubscribe is not None:
            return self._session.step(command, now, size_bytes)
        method, _ = COMMANDS.get(type(command.request()), ("unknown", None))
        self._hooks.announce(events.CommandHandled(method, REFUSED.code, 0.0))
        return self._session.tell(Reply(id=command.id, error=REFUSED), now) if command.id else []

    def _discourage(self, limit: str, rate: Rate, now: float) -> list[Effect]:
        flood = self._flood = self._flood or Flood()
        match flood.refused(rate, now):
            case Course.CUT:
                return self._session.close(codes.TOO_MANY_REQUESTS, now)
            case Course.SLOW:
                self._pause(limit, flood.until, now)
        return []

    def _pause(self, limit: str, until: float, now: float) -> None:
        state = self._session.state
        self._hooks.announce(events.ReadingPaused(limit, state.client, state.user, until - now))
        self._session.excuse(until)
        self._alarm = until
        self._alarms.set(until, self)
        self._transport.pause_reading()
