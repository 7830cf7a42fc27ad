"""A container in place of a program that is not installed, by testcontainers where that is."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from functools import cache
from typing import Any


@cache
def engine() -> str | None:
    """Why there can be no containers here; None where they can be."""
    if shutil.which("docker") is None:
        return "Docker is not installed"
    if importlib.util.find_spec("testcontainers") is None:
        return "testcontainers is not installed: pip install testcontainers"
    try:
        subprocess.run(["docker", "info"], capture_output=True, check=True, timeout=5.0)  # noqa: S607
    except (subprocess.SubprocessError, OSError):
        return "Docker does not run"
    return None


class Container:
    """One container with one open port."""

    def __init__(self, image: str, port: int) -> None:
        from testcontainers.core.container import DockerContainer

        self._port = port
        self._container: Any = DockerContainer(image).with_exposed_ports(port)

    def start(self) -> int:
        """Start it, and return its port on this machine."""
        self._container.start()
        return int(self._container.get_exposed_port(self._port))

    def stop(self) -> None:
        self._container.stop()
