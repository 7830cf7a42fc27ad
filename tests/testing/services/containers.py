"""Services in containers, also where their programs are installed; and whether this machine can have any."""

from __future__ import annotations

import os
import subprocess

from tidings.testing.services import NatsServer, PostgresServer, RedisServer, SharedService
from tidings.testing.services.container import engine

ENVIRONMENT = dict(os.environ)
"""As it is before a test changes it."""

NOWHERE = ("a-program-that-nobody-has",)


class RedisInContainer(RedisServer):
    programs = NOWHERE


class PostgresInContainer(PostgresServer):
    programs = NOWHERE


class NatsInContainer(NatsServer):
    programs = NOWHERE


def obstacle() -> str:
    """Why no containers can be had here; "" if they can. None of their images is fetched for the tests."""
    if (reason := engine()) is not None:
        return reason
    absent = [kind.image for kind in (RedisServer, PostgresServer, NatsServer) if not has_image(kind)]
    return f"no image {', '.join(absent)}" if absent else ""


def has_image(kind: type[SharedService]) -> bool:
    told = subprocess.run(["docker", "image", "inspect", kind.image], capture_output=True, check=False, timeout=10.0)
    return told.returncode == 0


def containers(pid: int) -> list[str]:
    """The names of those that a process has made with the toolkit, whether they run or not."""
    told = subprocess.run(
        ["docker", "ps", "--all", "--filter", f"name=tidings-{pid}-", "--format", "{{.Names}}"],
        capture_output=True,
        env=ENVIRONMENT,
        check=True,
        text=True,
        timeout=10.0,
    )
    return told.stdout.split()
