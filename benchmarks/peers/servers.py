"""The peers, each as a `Server` of the benchmarks: no pings, no log, and the fastest of their options."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from benchmarks.servers import API_KEY, SECRET, Server, TidingsServer, post
from benchmarks.workplace import Workplace
from tidings.testing.services import ports

PROGRAMS = Path(__file__).parent / "programs"
INSTALLED = Path(__file__).parents[2] / "build" / "peers" / "bin"

UVICORN = "--loop uvloop --http httptools --ws websockets-sansio --ws-ping-interval 3600 --log-level warning"
"""As for the Starlette loop: the cheapest of its implementations."""


class Peer(Server):
    """A server that is installed into build/peers. `needs` is the program in there, or its package beside Python."""

    needs: ClassVar[str]

    @classmethod
    def is_there(cls) -> bool:
        return (INSTALLED / cls.needs).exists() or any(INSTALLED.parent.glob(f"lib/python*/site-packages/{cls.needs}"))

    def request(self, payloads: list[str], channel: str) -> bytes:
        return post("/publish", "\n".join(payloads))


class Websockets(Peer):
    """`websockets.broadcast` under uvloop. Publications have a port of their own."""

    key, title, needs = "websockets", "websockets.broadcast", "websockets"

    def command(self) -> list[str]:
        return [str(INSTALLED / "python"), str(PROGRAMS / "websockets_app.py"), str(self.port), str(self._second)]

    def script(self, user: str, channel: str) -> list[str]:
        return ["{}"]

    @property
    def published_to(self) -> int:
        return self._second

    def __enter__(self) -> Self:
        self._second = ports.reserve()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        ports.release(self._second)


class SocketIO(Peer):
    """python-socketio as ASGI under uvicorn. Clients open a WebSocket at once, without the long poll before it."""

    key, title, needs = "socketio", "python-socketio", "socketio"
    path = "/socket.io/?EIO=4&transport=websocket"

    def command(self) -> list[str]:
        where = ["--app-dir", str(PROGRAMS), "--port", str(self.port), "--no-access-log"]
        return [str(INSTALLED / "python"), "-m", "uvicorn", "socketio_app:app", *where, *UVICORN.split()]

    def script(self, user: str, channel: str) -> list[str]:
        return ["-", "40"]


class Channels(Peer):
    """Django Channels with the layer in memory, under Daphne."""

    key, title, needs = "channels", "Channels + Daphne", "daphne"

    def command(self) -> list[str]:
        options = f"-p {self.port} -v 0 --ping-interval 3600 --websocket_timeout -1"
        python = ["/usr/bin/env", f"PYTHONPATH={PROGRAMS}", str(INSTALLED / "python")]
        return [*python, "-m", "daphne", *options.split(), "channels_app:application"]

    def script(self, user: str, channel: str) -> list[str]:
        return ["{}"]


class Centrifugo(Peer):
    """Centrifugo itself, with the channels that Tidings has. Go keeps to as many cores as it is given: one."""

    key, title, needs = "centrifugo", "Centrifugo", "centrifugo"
    path = TidingsServer.path

    def __init__(self, workplace: Workplace) -> None:
        super().__init__(workplace)
        self._twin = TidingsServer(workplace)

    def command(self) -> list[str]:
        kept = {"name": "kept", "history_size": 100, "history_ttl": "60s", "force_recovery": True}
        allowed = {"allow_subscribe_for_client": True}
        content = {
            "http_server": {"address": "127.0.0.1", "port": str(self.port)},
            "client": {"token": {"hmac_secret_key": SECRET}, "ping_interval": "3600s", "pong_timeout": "8s"},
            "http_api": {"key": API_KEY},
            "channel": {"without_namespace": allowed, "namespaces": [kept | allowed]},
            "log": {"level": "warn"},
            "usage_stats": {"disabled": True},
        }
        settings = self.workplace.directory / f"{self.key}.json"
        settings.write_text(json.dumps(content))
        return [str(INSTALLED / "centrifugo"), "-c", str(settings)]

    def script(self, user: str, channel: str) -> list[str]:
        return self._twin.script(user, channel)

    def request(self, payloads: list[str], channel: str) -> bytes:
        return self._twin.request(payloads, channel)


PEERS: list[type[Peer]] = [Centrifugo, Websockets, SocketIO, Channels]


def present(workplace: Workplace) -> list[Peer]:
    """Those that are installed."""
    return [peer(workplace) for peer in PEERS if peer.is_there()]


def left_out() -> str:
    """Why some are not in the tables; "" where all are."""
    titles = [peer.title for peer in PEERS if not peer.is_there()]
    if not titles:
        return ""
    return (
        f"Left out, since they are not installed: {', '.join(titles)}. `make bench-peers` installs them, Centrifugo "
        "where there is a Go toolchain."
    )
