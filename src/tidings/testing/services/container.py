"""A container in place of a program that is not installed, by testcontainers where that is."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from tidings.testing.services.block import ServiceError


def engine() -> str | None:
    """Why there can be no containers here; None where they can be."""
    return _engine(os.environ.get("PATH"))


@cache
def _engine(path: str | None) -> str | None:
    """Asked once for each path on which the engine may be."""
    if shutil.which("docker") is None:
        return "Docker is not installed"
    if importlib.util.find_spec("testcontainers") is None:
        return "testcontainers is not installed: pip install testcontainers"
    try:
        subprocess.run(["docker", "info"], capture_output=True, check=True, timeout=5.0)
    except (subprocess.SubprocessError, OSError):
        return "Docker does not run"
    return None


class Container:
    """One container with one open port. Should this process die, testcontainers' own reaper removes it."""

    def __init__(
        self, image: str, port: int, *, arguments: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        # Imported by name, since it is there only for those who want containers.
        containers: Any = importlib.import_module("testcontainers.core.container")
        self._image = image
        self._port = port
        self._container: Any = containers.DockerContainer(image).with_exposed_ports(port)
        if arguments:
            self._container.with_command(list(arguments))
        for name, value in (environment or {}).items():
            self._container.with_env(name, value)

    def start(self) -> int:
        """Start it, and return its port on this machine. Raises `ServiceError`."""
        try:
            self._container.start()
            return int(self._container.get_exposed_port(self._port))
        except Exception as error:  # Of the engine's client, whose errors have no common root.
            self.stop()
            raise ServiceError(f"The container {self._image} did not start: {error}") from error

    def stop(self) -> None:
        self._container.stop()

    @property
    def log(self) -> str:
        """What it wrote."""
        return "".join(part.decode(errors="replace") for part in self._container.get_logs())
