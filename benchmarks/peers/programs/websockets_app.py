"""`websockets.broadcast`, with nothing around it: `websockets_app.py PORT PUBLISH_PORT`.

Its server takes no bodies by HTTP; so each line of a request to PUBLISH_PORT, on a bare protocol of asyncio, goes to
everybody.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

connections: set[ServerConnection] = set()


class Publisher(asyncio.Protocol):
    """Just enough HTTP for the load client."""

    def __init__(self) -> None:
        self.request = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self.request += data
        while True:
            head, end, body = self.request.partition(b"\r\n\r\n")
            length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0] or 0)
            if not end or len(body) < length:
                return
            self.request = body[length:]
            for line in body[:length].decode().splitlines():
                broadcast(connections, line)
            self.transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")


async def listen(connection: ServerConnection) -> None:
    await connection.recv()
    connections.add(connection)
    try:
        await connection.send('{"joined":true}')
        await connection.wait_closed()
    finally:
        connections.remove(connection)


async def main(port: int, publish_port: int) -> None:
    await asyncio.get_running_loop().create_server(Publisher, "127.0.0.1", publish_port)
    async with serve(listen, "127.0.0.1", port, compression=None, ping_interval=None, backlog=4096) as server:
        await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(*map(int, sys.argv[1:])))
