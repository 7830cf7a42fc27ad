"""An HTTP server that answers as it is told, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

PATIENCE = 20.0


class Answer(NamedTuple):
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


def well(commands: list[Any]) -> Answer:
    """What a server says that has published everything."""
    return Answer(200, json.dumps({"replies": [{"publish": {}} for _ in commands]}).encode())


CUT = Answer(0)
"""The connection ends without an answer."""


class Answering:
    """Gives the answers of `script`, each once, then `well`. While its gate is shut, requests wait for an answer.

    `requests` are the commands of each request so far.
    """

    def __init__(self, *script: Answer) -> None:
        self.script = list(script)
        self.requests: list[list[Any]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.asked = threading.Semaphore(0)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def data(self) -> list[list[Any]]:
        """What was published, by requests."""
        return [[command["publish"]["data"] for command in commands] for commands in self.requests]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.gate.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> Callable[..., BaseHTTPRequestHandler]:
        answering = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = PATIENCE

            def do_POST(self) -> None:
                commands = json.loads(self.rfile.read(int(self.headers["content-length"])))["commands"]
                answering.requests.append(commands)
                answering.asked.release()
                answering.gate.wait(PATIENCE)
                answer = answering.script.pop(0) if answering.script else well(commands)
                if answer is CUT:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in {"content-length": str(len(answer.body)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *arguments: object) -> None:
                """The test's output is not the place."""

        return Handler
