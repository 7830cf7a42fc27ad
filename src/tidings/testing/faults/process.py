"""Faults of a process: any `Service` of `tidings.testing.services` that was started here."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path

from tidings.testing.faults.errors import FaultError
from tidings.testing.faults.fault import Fault
from tidings.testing.services.base import Service, ServiceError
from tidings.testing.services.container import Container
from tidings.testing.services.program import Program

KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
"""How a process that was killed has ended, and how a container engine counts that."""


class ProcessFault(Fault):
    """What the four have in common: a service, and the process that it was when the fault began."""

    verb = ""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._did = ""

    @property
    def name(self) -> str:
        return f"{self.verb} {self._service.name}"

    def effect(self) -> str:
        return self._did

    def _program(self) -> Program:
        try:
            program = self._service.program
        except ServiceError as error:
            raise FaultError(f"Cannot {self.name}: {error}") from error
        if program.code is not None:
            raise FaultError(f"Cannot {self.name}: it has ended already, with {program.code}.")
        return program


class Kill(ProcessFault):
    """Ends it as a power cut would; started again afterwards, on its port and with its data."""

    verb = "kill"

    def begin(self) -> None:
        program = self._program()
        pid = program.pid  # A container has none any more when it has ended.
        self._service.kill()
        if program.code in KILLED:
            self._did = f"ended process {pid}"

    def end(self) -> None:
        # Without a port somebody has stopped the service for good, and has its process cleared away.
        if self._did and self._service.port and not self._service.is_running:
            self._service.restart()


class Pause(ProcessFault):
    """Lets it hang, its connections open; it goes on afterwards."""

    verb = "pause"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._paused: Program | None = None

    def begin(self) -> None:
        self._paused = self._program()
        self._paused.pause()
        if _is_stopped(self._paused):
            self._did = f"stopped process {self._paused.pid} in its tracks"

    def end(self) -> None:
        if self._paused is not None and self._paused.code is None:
            with suppress(ProcessLookupError):  # It has ended in between.
                self._paused.resume()
        self._paused = None


class Resume(ProcessFault):
    """Lets it go on, for schedules in which a pause has no fixed length. It has an effect if it was paused."""

    verb = "resume"

    def begin(self) -> None:
        program = self._program()
        was_stopped = _is_stopped(program)
        program.resume()
        if was_stopped:
            self._did = f"let process {program.pid} go on"


class Restart(ProcessFault):
    """Stops it, unless it has ended already, and starts it again on the same port with the same data."""

    verb = "restart"

    def begin(self) -> None:
        try:
            before = self._service.program.pid
            self._service.restart()
        except ServiceError as error:
            raise FaultError(f"Cannot {self.name}: {error}") from error
        after = self._service.program.pid
        if after != before:
            self._did = f"replaced process {before} by {after}"


def _is_stopped(program: Program) -> bool:
    """Whether it is stopped. A signal sent by `kill` has arrived when the call returns, or is about to."""
    if isinstance(program, Container):
        return program.is_paused
    for _ in range(1000):
        state = Path(f"/proc/{program.pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state != "R":
            return state in ("T", "t")
    return False
