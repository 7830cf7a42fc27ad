"""A server whose answers have no end."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self

CHUNK = b"4000\r\n%s\r\n" % (b"x" * 0x4000)
PATIENCE = 20.0


class Endless:
    """Answers every request with `status`, `headers` and bytes until nobody reads them. `hung_up` counts those ends."""

    def __init__(self, status: int = 200, *headers: str) -> None:
        lines = [f"HTTP/1.1 {status} Told", "transfer-encoding: chunked", *headers]
        self._head = "".join(f"{line}\r\n" for line in [*lines, ""]).encode()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._over = False
        self._thread = threading.Thread(target=self._serve)
        self.hung_up = threading.Semaphore(0)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._over = True
        with socket.create_connection(self._listening.getsockname()):
            self._thread.join()
        self._listening.close()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listening.accept()
            with connection:
                if self._over:
                    return
                connection.settimeout(PATIENCE)
                with suppress(ConnectionError):
                    connection.recv(65536)
                    connection.sendall(self._head)
                    while True:
                        connection.sendall(CHUNK)
            self.hung_up.release()
