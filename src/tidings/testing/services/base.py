"""What tests need and do not contain, as a block: it is there inside of the block, and gone after it.

    with RedisServer() as redis:            async with RedisServer() as redis:
        connect(redis.url)                      await connect(redis.url)

A service that the environment names (`REDIS_URL`) is taken as it is. Otherwise the program is started, where it is
installed: on a port of its own, with a directory of its own, as the leader of a process group of which nothing is left
afterwards. Where it is not installed a container stands in. Where there is neither, `Missing` says how to get one.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from tidings.testing.services import ports
from tidings.testing.services.container import Container, engine
from tidings.testing.services.process import Process
from tidings.testing.services.reaper import reaper

HOST = "127.0.0.1"
ASK_AGAIN = 0.02
"""Seconds between two looks at whether a service is ready."""


class ServiceError(Exception):
    """A service did not start, or ended when it should not have. Says what it wrote at last, and what may help."""


class Missing(ServiceError):
    """There is no such service, no program and no container for it. Says how to get one."""


class Service(ABC):
    """One program on one port.

    A subclass says how the program is started and when it is ready. `url` is where clients find the service while the
    block lasts, `directory` is where the program keeps its data; both stay the same over `restart`.
    """

    name: ClassVar[str]
    """How the service is called in messages, and by `--require`."""

    patience: float = 20.0
    """Seconds that it may take to be ready, and then to stop."""

    hints: ClassVar[Mapping[str, str]] = {"address already in use": "Another program has the port; end it."}
    """What may help, by what the program wrote, in lower case."""

    def __init__(self) -> None:
        self.port = 0
        self.directory = Path()
        self._process: Process | None = None
        self._output = Path()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self.url}, {self._process!r}>" if self.port else f"<{type(self).__name__}>"

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

    # Its life.

    def start(self) -> None:
        """Start it, and return when it is ready. Raises `ServiceError`, and has then left nothing behind."""
        self.port = ports.reserve()
        self.directory = Path(tempfile.mkdtemp(prefix=f"tidings-{self.name}-"))
        self._output = self.directory / "output.log"
        reaper().watch_directory(self.directory)
        try:
            self.prepare()
            self._launch()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it, gently first, and remove what it has kept. Repeating it is harmless."""
        if self._process is not None:
            self._process.stop(self.patience)
        if self.port:
            shutil.rmtree(self.directory, ignore_errors=True)
            reaper().forget_directory(self.directory)
            ports.release(self.port)
        self._process, self.port = None, 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note(self.report())
        self.stop()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.__enter__)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, error, traceback)

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
        self.process.pause()

    def resume(self) -> None:
        self.process.resume()

    def restart(self) -> None:
        """Stop it, unless it has ended already, and start it again on the same port with the same data."""
        self.process.stop(self.patience)
        self._launch()

    def report(self) -> str:
        """How it is, and the last of what it wrote; for failures."""
        written = self.log or "(nothing was written)"
        return f"{self!r} wrote at last:\n{written}"

    @property
    def log(self) -> str:
        """The last of what it wrote."""
        return self._process.log if self._process is not None else ""

    # Private steps.

    def _launch(self) -> None:
        self._process = Process(
            self.command(),
            directory=self.directory,
            output=self._output,
            environment=self.environment(),
            user=self.user,
        )
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.patience
        while not self.is_ready():
            code = self._process.code if self._process is not None else None
            if code is not None:
                raise ServiceError(self._failure(f"ended with {code} while it was starting"))
            if time.monotonic() > deadline:
                raise ServiceError(self._failure(f"was not ready within {self.patience:g} s"))
            time.sleep(ASK_AGAIN)

    def _failure(self, what: str) -> str:
        log = self.log
        helps = [cure for symptom, cure in self.hints.items() if symptom in log.lower()]
        return "\n".join([f"{self.name} {what}.", *helps, "It wrote at last:", log or "(nothing)"])


class SharedService(Service):
    """A service that exists outside of tests as well: given by the environment, installed, or in a container.

    One that is given is neither started nor stopped here, and can be neither killed nor paused.
    """

    variables: ClassVar[tuple[str, ...]]
    """Environment variables that name a running one; the first that is set counts."""

    programs: ClassVar[tuple[str, ...]]
    """What has to be on the path, or in `folders`, to start one."""

    folders: ClassVar[tuple[str, ...]] = ()
    """Where to look for the programs besides, as patterns; the last that fits counts."""

    image: ClassVar[str]
    """The container image that does the same, and the port that it listens on."""

    image_port: ClassVar[int]

    package: ClassVar[str]
    """The Debian package that has the programs."""

    def __init__(self) -> None:
        super().__init__()
        self.given = ""
        """The address from the environment, where there is one."""
        self._container: Container | None = None

    @classmethod
    def address(cls) -> str:
        """What the environment names, "" for nothing."""
        return next((os.environ[name] for name in cls.variables if os.environ.get(name)), "")

    @classmethod
    def find(cls, program: str) -> str | None:
        """The path of one of the programs, if it is installed."""
        if (path := shutil.which(program)) is not None:
            return path
        found = [path for folder in cls.folders for path in sorted(Path("/").glob(f"{folder}/{program}"))]
        return str(found[-1]) if found else None

    @classmethod
    def require(cls) -> None:
        """Raise `Missing` if there is no way to have this service here."""
        if cls.address() or all(map(cls.find, cls.programs)):
            return
        reason = engine()
        if reason is not None:
            raise Missing(
                f"{cls.name} is not installed: apt-get install {cls.package}, or name a running one in "
                f"{cls.variables[0]}, or let it run in a container ({reason})."
            )

    def start(self) -> None:
        self.require()
        self.given = self.address()
        if self.given:
            self._wait_until_ready()
        elif all(map(self.find, self.programs)):
            super().start()
        else:
            self._container = Container(self.image, self.image_port)
            self.port = self._container.start()
            self._wait_until_ready()

    def stop(self) -> None:
        if self._container is not None:
            self._container.stop()
            self._container, self.port = None, 0
        super().stop()

    @property
    def process(self) -> Process:
        if self.given:
            raise ServiceError(
                f"{self.name} is given by {self.variables[0]}, and what belongs to somebody else is not "
                "killed, paused or restarted here; unset the variable to have one of your own."
            )
        return super().process
