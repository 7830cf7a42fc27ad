"""A container in place of a program that is not installed, by testcontainers where that is.

The container publishes one port, on the loopback of this machine, and keeps it and its data while it is stopped and
started. Should the test process die, its reaper removes the container. So nothing else has to be trusted with that,
and testcontainers' own reaper, which is an image of its own, is not asked for.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from signal import Signals
from typing import Any
from urllib.parse import urlsplit

from tidings.testing.services.block import ServiceError
from tidings.testing.services.patience import ask_until
from tidings.testing.services.process import LAST_LINES
from tidings.testing.services.reaper import reaper

LOOPBACK = "127.0.0.1"
PATIENCE = 10.0
"""Seconds for the engine to do what does not depend on the program: to kill, to answer, to remove."""

HERE = ("", "unix", "npipe")
"""How the address of an engine begins whose containers are on this machine."""


def engine() -> str | None:
    """Why there can be no containers here; None where they can be."""
    return _engine(os.environ.get("PATH"), os.environ.get("DOCKER_HOST", ""))


@cache
def _engine(path: str | None, host: str) -> str | None:
    """Asked once for each path and address at which the engine may be."""
    if shutil.which("docker") is None:
        return "Docker is not installed"
    if importlib.util.find_spec("testcontainers") is None:
        return "testcontainers is not installed: pip install testcontainers"
    if urlsplit(host).scheme not in HERE and urlsplit(host).hostname not in ("localhost", LOOPBACK):
        return "DOCKER_HOST names another machine, whose ports are not here"
    asked = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        subprocess.run(asked, capture_output=True, check=True, timeout=5.0)
    except (subprocess.SubprocessError, OSError):
        return "Docker does not run"
    return None


class Container:
    """One container of an image, with the image's `port` published as `published` here. It is a `Program`.

    `start` makes it, and starts it again after it has ended; `remove` is its end. Raises `ServiceError` with what the
    engine says.
    """

    def __init__(
        self,
        image: str,
        port: int,
        *,
        published: int,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = f"tidings-{os.getpid()}-{secrets.token_hex(4)}"
        self.image = image
        self._port = port
        self._published = published
        self._arguments = list(arguments)
        self._environment = dict(environment or {})
        self._client: Any = None
        self._container: Any = None

    def __repr__(self) -> str:
        state = "running" if self.code is None else f"ended with {self.end}"
        return f"<{self.image}, container {self.name}, {state}>"

    # Its life.

    def start(self) -> None:
        """Start it. The first time this may take as long as it takes to fetch the image."""
        if self._container is None:
            with self._told(f"could not be made (`docker pull {self.image}` may say more)"):
                self._create()
        with self._told("did not start"):
            self._container.start()

    def remove(self) -> None:
        """Remove it with its data, whatever it does. Repeating it is harmless."""
        if self._client is None:
            return
        with suppress(subprocess.SubprocessError, OSError):
            subprocess.run(self._removal, capture_output=True, check=True, timeout=PATIENCE)
            reaper().forget_command(self._removal)
        self._client.close()
        self._client = self._container = None

    def stop(self, timeout: float = 10.0, *, by: Signals = Signals.SIGTERM) -> int:
        """End it: by a signal, after `timeout` seconds by force. Its data stay until `remove`."""
        self.resume()  # Who is paused hears nothing.
        self._signal(by)
        ask_until(lambda: self.code is not None, timeout)
        return self.kill()

    def kill(self) -> int:
        """End it at once, as a power cut would. Returns when it has ended."""
        self.resume()  # Engines do not kill what is paused.
        self._signal(Signals.SIGKILL)
        if not ask_until(lambda: self.code is not None, PATIENCE):
            raise ServiceError(f"The container {self.name} did not end within {PATIENCE:g} s of being killed.")
        code = self.code
        assert code is not None
        return code

    # What can be asked of it, and done to it.

    @property
    def pid(self) -> int:
        return int(self._state["Pid"])

    @property
    def code(self) -> int | None:
        """The exit code, None while it runs; 137 for SIGKILL, as engines count."""
        state = self._state
        return None if state["Running"] or state["Paused"] else int(state["ExitCode"])

    @property
    def end(self) -> str:
        return f"{self.code}"

    @property
    def is_paused(self) -> bool:
        return bool(self._state["Paused"])

    @property
    def log(self) -> str:
        """The last of what it wrote, in this life and in earlier ones."""
        with self._told("does not show its log"):
            written: bytes = self._container.logs(tail=LAST_LINES)
        return written.decode(errors="replace").rstrip("\n")

    def pause(self) -> None:
        with self._told("could not be paused"):
            self._container.pause()

    def resume(self) -> None:
        if self.is_paused:
            with self._told("could not be resumed"):
                self._container.unpause()

    def run(self, command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Run a program inside of it, to its end: its exit code, and what it wrote."""
        with self._told(f"could not run {command[0]}"):
            code, written = self._container.exec_run(list(command), environment=dict(environment or {}))
        return int(code), written.decode(errors="replace")

    # Private steps.

    def _create(self) -> None:
        # Imported by name, since it is there only for those who want containers.
        engine: Any = importlib.import_module("testcontainers.core.docker_client").DockerClient()
        self._client = engine.client
        reaper().watch_command(self._removal)  # By the name, which is known before the container is there.
        self._container = engine.create(
            self.image,
            self._arguments,
            environment=self._environment,
            ports={f"{self._port}/tcp": (LOOPBACK, self._published)},
            name=self.name,
        )

    @property
    def _removal(self) -> list[str]:
        host = os.environ.get("DOCKER_HOST")
        return ["docker", *(["--host", host] if host else []), "rm", "--force", "--volumes", self.name]

    @property
    def _state(self) -> Mapping[str, Any]:
        with self._told("does not say how it is"):
            self._container.reload()
        state: Mapping[str, Any] = self._container.attrs["State"]
        return state

    def _signal(self, number: Signals) -> None:
        if self.code is None:
            try:
                with self._told(f"was not sent {number.name}"):
                    self._container.kill(signal=number.name)
            except ServiceError:
                if self.code is None:  # Otherwise it has ended in between.
                    raise

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Tell what the engine's client raises, whose errors have no common root, in the words of a service."""
        try:
            yield
        except Exception as error:
            raise ServiceError(f"The container {self.name} of {self.image} {what}: {error}") from error
