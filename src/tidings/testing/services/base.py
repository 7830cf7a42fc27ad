"""One program as a service: started on a port of its own, with a directory of its own, as the leader of a process
group of which nothing is left afterwards.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import tempfile
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import Signals
from typing import ClassVar

from tidings.testing.services import ports
from tidings.testing.services.block import Block, Missing, ServiceError
from tidings.testing.services.found import without_password
from tidings.testing.services.patience import ask_until
from tidings.testing.services.process import Process
from tidings.testing.services.program import Program
from tidings.testing.services.reaper import end_strays, reaper, remove

__all__ = ["HOST", "Missing", "Service", "ServiceError", "ask_until"]

HOST = "127.0.0.1"
PATIENCE_WITH_PORTS = 2.0
"""Seconds until a port that a killed program has had must be free again."""


class Service(Block):
    """One program on one port.

    A subclass says how the program is started and when it is ready. `url` is where clients find the service while the
    block lasts, `directory` is where the program keeps its data; both stay the same over `restart`. A directory that
    is given is used as it is found, and is left as it is: its data last from block to block.
    """

    patience: float = 20.0
    """Seconds that it may take to be ready, and then to stop."""

    hints: ClassVar[Mapping[str, str]] = {"address already in use": "Another program has the port; end it."}
    """What may help, by what the program wrote, in lower case."""

    stop_signal: ClassVar[Signals] = Signals.SIGTERM
    """What asks the program to end at once and in order."""

    def __init__(self, *, directory: Path | str | None = None) -> None:
        super().__init__()
        self.port = 0
        self.directory = Path()
        self._kept = None if directory is None else Path(directory).resolve()
        self._lock = -1
        self._process: Program | None = None
        self._output = Path()

    def __repr__(self) -> str:
        if not self.port:
            return f"<{type(self).__name__}>"
        return f"<{type(self).__name__} at {without_password(self.url)}, {self._process!r}>"

    # What a subclass says.

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients find it."""

    @abstractmethod
    def command(self) -> list[str]:
        """The command line, for `port` and `directory`."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it answers. Does not wait, and does not raise while the service is not there yet."""

    def prepare(self) -> None:
        """What has to be in `directory` before the first start."""

    def environment(self) -> Mapping[str, str] | None:
        """The program's environment; None for this process's own."""
        return None

    user: str | None = None
    """Whose the program is, if not this process's user."""

    columns: int | None = None
    """The width of the terminal that it writes to, where it is to believe that there is one."""

    # Its life.

    def start(self) -> None:
        self._refuse_twice()
        try:
            self.port = ports.reserve()
            self._take_directory()
            self.prepare()
            self._launch()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop(self.patience, by=self.stop_signal)
        if self.port:
            self._leave_directory()
            ports.release(self.port)
        self._process, self.port = None, 0

    # What can be done to it.

    @property
    def program(self) -> Program:
        """The program, wherever it runs. Raises `ServiceError` where there is none of ours."""
        if self._process is None:
            raise ServiceError(f"{self.name} does not run here, so that nothing can be done to it.")
        return self._process

    @property
    def process(self) -> Process:
        """The program as a process of this machine. Raises `ServiceError` where it is none."""
        if not isinstance(self.program, Process):
            raise ServiceError(f"{self.name} runs in a container, and so has no process here; take its `program`.")
        return self.program

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.code is None

    def kill(self) -> None:
        """End it as a power cut would. Port and data stay, for `restart`."""
        self.program.kill()

    def pause(self) -> None:
        """Let it hang: its connections stay open, and nothing is answered until `resume`."""
        self._expect_running("paused").pause()

    def resume(self) -> None:
        self._expect_running("resumed").resume()

    def restart(self) -> None:
        """Stop it, unless it has ended already, and start it again on the same port with the same data."""
        self.program.stop(self.patience, by=self.stop_signal)
        self._launch()

    def report(self) -> str:
        return "\n".join([repr(self), *self._helps(), "It wrote at last:", self.log or "(nothing)"])

    @property
    def log(self) -> str:
        """The last of what it wrote."""
        return self._process.log if self._process is not None else ""

    # Private steps.

    def _refuse_twice(self) -> None:
        if self.port:
            raise ServiceError(f"{self!r} has been started already; make another one for a second {self.name}.")

    def _expect_running(self, done: str) -> Program:
        program = self.program
        if program.code is not None:
            raise ServiceError(
                f"{self.name} has ended with {program.end}, so that it cannot be {done}; `restart` starts it again."
            )
        return program

    def _take_directory(self) -> None:
        if self._kept is None:
            # Known before it is there, so that an interruption in between leaves nothing.
            self.directory = Path(tempfile.gettempdir()).resolve() / f"tidings-{self.name}-{secrets.token_hex(6)}"
            reaper().watch_directory(self.directory)
            self.directory.mkdir(mode=0o700)
        else:
            self._lock_directory(self._kept)
            self.directory = self._kept
        self._output = self.directory / "output.log"
        self._output.write_bytes(b"")  # What was written in another life is no reason of this one's failures.

    def _lock_directory(self, kept: Path) -> None:
        try:
            kept.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(kept, os.O_RDONLY)
            if not os.access(kept, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as error:
            raise ServiceError(
                f"{self.name} cannot keep its data in {kept}: {error.strerror}; name a directory that it can write to."
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ServiceError(f"{kept} is in use by another {self.name}; give each its own.") from None

    def _leave_directory(self) -> None:
        if self._kept is None and self.directory != Path():
            end_strays(self.directory)  # Whom an interrupted start has left without a name.
            remove(self.directory)
            reaper().forget_directory(self.directory)
        if self._lock >= 0:
            os.close(self._lock)
        self.directory, self._lock = Path(), -1

    def _launch(self) -> None:
        self._wait_for_port()
        self._process = self._begin()
        self._wait_until_ready()

    def _begin(self) -> Program:
        return self._run(self.command())

    def _run(self, command: Sequence[str]) -> Process:
        try:
            return Process(
                command,
                directory=self.directory,
                output=self._output,
                environment=self.environment(),
                user=self.user,
                columns=self.columns,
            )
        except OSError as error:
            raise ServiceError(f"{self.name} could not be started: {error}.") from error

    def _run_to_its_end(self, command: Sequence[str]) -> None:
        """Run a program that has to be done before the service starts. Raises `ServiceError` if it fails."""
        self._process = process = self._run(command)
        try:
            code = process.wait(self.patience)
        except TimeoutError as error:
            raise ServiceError(self._failure(str(error))) from None
        if code != 0:
            raise ServiceError(self._failure(f"could not be prepared: {Path(command[0]).name} ended with {code}"))
        process.kill()
        self._process = None

    def _wait_for_port(self) -> None:
        """A program that was killed a moment ago may still hold it; another one must not answer in our name."""
        if not ask_until(lambda: ports.is_free(self.port), PATIENCE_WITH_PORTS):
            raise ServiceError(
                f"{self.name} did not start: another program listens on its port, {HOST}:{self.port}; end that one."
            )

    def _wait_until_ready(self) -> None:
        if not ask_until(self._is_ready_at_last, self.patience):
            raise ServiceError(self._failure(f"was not ready within {self.patience:g} s"))

    def _is_ready_at_last(self) -> bool:
        if self._is_unwanted:
            raise ServiceError(f"{self.name} was given up while it was starting.")
        ready = self.is_ready()
        if self._process is not None and self._process.code is not None:
            raise ServiceError(self._failure(f"ended with {self._process.end} while it was starting"))
        return ready

    def _failure(self, what: str) -> str:
        return "\n".join([f"{self.name} {what}.", *self._helps(), "It wrote at last:", self.log or "(nothing)"])

    def _helps(self) -> list[str]:
        log = self.log.lower()
        return [cure for symptom, cure in self.hints.items() if symptom in log]
