"""One program as a service: started on a port of its own, with a directory of its own, as the leader of a process
group of which nothing is left afterwards.

A `Service` is always started here. A `SharedService` exists outside of tests as well: one that the environment names
is taken as it is, otherwise the program is started where it is installed, otherwise a container stands in, otherwise
`Missing` says how to get one.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import tempfile
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from signal import Signals
from typing import ClassVar

from tidings.testing.services import ports
from tidings.testing.services.block import Block, Missing, ServiceError
from tidings.testing.services.container import Container
from tidings.testing.services.found import Found, without_password
from tidings.testing.services.process import Process
from tidings.testing.services.reaper import end_strays, reaper, remove

__all__ = ["HOST", "Missing", "Service", "ServiceError", "SharedService"]

HOST = "127.0.0.1"
ASK_AGAIN = 0.02
"""Seconds between two looks at whether a service is ready."""

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
        self._process: Process | None = None
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
        if self.port:
            raise ServiceError(f"{self!r} has been started already; make another one for a second {self.name}.")
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
    def process(self) -> Process:
        """The program. Raises `ServiceError` where there is none of ours."""
        if self._process is None:
            raise ServiceError(f"{self.name} does not run here, so that nothing can be done to it.")
        return self._process

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.code is None

    def kill(self) -> None:
        """End it as a power cut would. Port and data stay, for `restart`."""
        self.process.kill()

    def pause(self) -> None:
        """Let it hang: its connections stay open, and nothing is answered until `resume`."""
        self._expect_running("paused").pause()

    def resume(self) -> None:
        self._expect_running("resumed").resume()

    def restart(self) -> None:
        """Stop it, unless it has ended already, and start it again on the same port with the same data."""
        self.process.stop(self.patience, by=self.stop_signal)
        self._launch()

    def report(self) -> str:
        return "\n".join([repr(self), *self._helps(), "It wrote at last:", self.log or "(nothing)"])

    @property
    def log(self) -> str:
        """The last of what it wrote."""
        return self._process.log if self._process is not None else ""

    # Private steps.

    def _expect_running(self, done: str) -> Process:
        process = self.process
        if process.code is not None:
            raise ServiceError(
                f"{self.name} has ended with {process.end}, so that it cannot be {done}; `restart` starts it again."
            )
        return process

    def _take_directory(self) -> None:
        if self._kept is None:
            # Known before it is there, so that an interruption in between leaves nothing.
            self.directory = Path(tempfile.gettempdir()).resolve() / f"tidings-{self.name}-{secrets.token_hex(6)}"
            reaper().watch_directory(self.directory)
            self.directory.mkdir(mode=0o700)
        else:
            self._kept.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._kept, os.O_RDONLY)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ServiceError(f"{self._kept} is in use by another {self.name}; give each its own.") from None
            self.directory = self._kept
        self._output = self.directory / "output.log"
        self._output.write_bytes(b"")  # What was written in another life is no reason of this one's failures.

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
        self._process = self._run(self.command())
        self._wait_until_ready()

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
        self._process = self._run(command)
        try:
            code = self._process.wait(self.patience)
        except TimeoutError as error:
            raise ServiceError(self._failure(str(error))) from None
        if code != 0:
            raise ServiceError(self._failure(f"could not be prepared: {Path(command[0]).name} ended with {code}"))
        self._process.kill()
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


class SharedService(Found, Service):
    """A service that exists outside of tests as well: given by the environment, installed, or in a container.

    One that is given is neither started nor stopped here, and can be neither killed nor paused.
    """

    image_port: ClassVar[int] = 0
    """The port that the container listens on."""

    def __init__(self, *, directory: Path | str | None = None) -> None:
        super().__init__(directory=directory)
        self.given = ""
        """The address from the environment, where there is one."""
        self._container: Container | None = None

    def container(self) -> Container:
        """The container that does the same."""
        return Container(self.image, self.image_port)

    def start(self) -> None:
        self.require()
        self.given = self.address()
        if self.given:
            self._wait_for_given()
        elif self.is_installed():
            super().start()
        else:
            self._start_container()

    def stop(self) -> None:
        if self._container is not None:
            self._container.stop()
            self._container, self.port = None, 0
        super().stop()
        self.given = ""

    @property
    def process(self) -> Process:
        self._refuse_given("killed, paused or restarted")
        return super().process

    @property
    def log(self) -> str:
        return self._container.log if self._container is not None else super().log

    def report(self) -> str:
        if self.given:
            return f"{self.name} at {without_password(self.given)} is given by {self.variable()}; its log is there."
        return super().report()

    # Private steps.

    def _refuse_given(self, done: str) -> None:
        if self.given:
            raise ServiceError(
                f"{self.name} is given by {self.variable()}, and what belongs to somebody else is not {done} here; "
                "unset the variable to have one of your own."
            )

    def _wait_for_given(self) -> None:
        if not ask_until(self._is_ready_at_last, self.patience_with_given):
            where, self.given = without_password(self.given), ""
            raise ServiceError(
                f"{self.name} at {where} does not answer: start it, or unset {self.variable()} to have one of your own."
            )

    def _start_container(self) -> None:
        self._container = self.container()
        try:
            self.port = self._container.start()
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise


def ask_until(is_so: Callable[[], bool], timeout: float) -> bool:
    """Ask again and again until it is so; False if it was not within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(ASK_AGAIN)
    return True
