"""The receiver as a block, and a `tidings serve` that asks and tells it."""

from __future__ import annotations

import asyncio
import ssl
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import httpx2
from tests.world.backend import token
from tests.world.settings import SETTINGS, Settings

from tidings.testing import Client, TidingsNode
from tidings.testing.services import ports
from tidings.testing.services.process import Process

PATIENCE = 20.0
ASKED = ("connect", "refresh", "subscribe", "publish", "sub_refresh", "rpc")
TOLD = ("disconnect", "unsubscribe", "state")
FREE = {"allow_subscribe_for_client": True, "allow_publish_for_client": True}


class Receiver:
    """A back end in a process of its own, steered by the test; see receiver.py. It keeps its port when restarted.

    With a `certificate`, a PEM file that holds its key as well, it speaks TLS.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.port = ports.reserve()
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"
        self._certificate = certificate
        self._folder = Path(tempfile.mkdtemp())
        trust = ssl.create_default_context(cafile=certificate) if certificate else False
        self._http = httpx2.Client(base_url=self.url, trust_env=False, timeout=10.0, verify=trust)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()
        self._http.close()
        ports.release(self.port)

    def start(self) -> None:
        program = Path(__file__).with_name("receiver.py")
        command = [
            sys.executable,
            str(program),
            str(self.port),
            *([str(self._certificate)] if self._certificate else []),
        ]
        self.process = Process(command, directory=self._folder, output=self._folder / "receiver.log")
        self.process.line("ready")

    def kill(self) -> None:
        self.process.kill()

    def plan(self, name: str, *behaviours: dict[str, Any]) -> None:
        self._http.put(f"/plan/{name}", json=behaviours).raise_for_status()

    def answers(self, name: str, *answers: Any) -> None:
        """Bodies, each with status 200."""
        self.plan(name, *({"json": answer} for answer in answers))

    def calls(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._http.get(f"/calls/{name}").json()
        return found

    def bodies(self, name: str) -> list[dict[str, Any]]:
        return [call["body"] for call in self.calls(name)]

    def forget(self) -> None:
        self._http.delete("/calls").raise_for_status()


def settings(receiver: Receiver, *events: str, **more: dict[str, Any]) -> Settings:
    """With endpoints for these events, at least; `more` are further keys of single ones."""
    endpoints = {
        event: {"endpoint": f"{receiver.url}/hook/{event}", "timeout": 0.5, **more.get(event, {})}
        for event in {*events, *more}
    }
    options = {
        f"{event}_proxy": True for event in ("subscribe", "publish", "sub_refresh", "state") if event in endpoints
    }
    return {
        **SETTINGS,
        "proxy": endpoints,
        "log": {"format": "json"},
        "channels": {"namespaces": {"app": options, "free": FREE}},
    }


def known(url: str, user: str = "ada", **options: Any) -> Client:
    """A client with a token, which no connect endpoint is asked about."""
    return Client(url, token=token(user), **options)


def metric(node: TidingsNode, name: str) -> float:
    """The value of a metric, labels and all; 0 where it has none."""
    for line in httpx2.get(f"{node.url}/metrics").text.splitlines():
        if line.startswith(f"{name} "):
            return float(line.rpartition(" ")[2])
    return 0.0


async def until(condition: Callable[[], Any], timeout: float = PATIENCE) -> Any:
    """Ask until it is true, and return what it is then."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not true within {timeout:g} s"
        await asyncio.sleep(0.01)
    return found
