"""The raw loop where there is no compiler: `raw.c` in Python, with the same arguments and the same behaviour."""

from __future__ import annotations

import select
import socket
import struct
import sys
from contextlib import suppress

UPGRADE = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
"""Fits the nonce of RFC 6455, section 1.3, which the load client always sends."""


class Peer:
    """One connection: what came of a request, and what did not fit of the last frame."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.request = b""
        self.rest = b""

    def deliver(self, data: bytes) -> bool:
        """Send what fits. While a rest is waiting, drop. Answers whether a rest is waiting now."""
        if not self.rest:
            with suppress(BlockingIOError, ConnectionError):
                sent = self.sock.send(data)
                self.rest = data[sent:]
        return bool(self.rest)

    def deliver_rest(self) -> bool:
        """Send what fits of the rest. Answers whether that was all."""
        with suppress(BlockingIOError, ConnectionError):
            self.rest = self.rest[self.sock.send(self.rest) :]
        return not self.rest


class RawLoop:
    """Subscribers, publishers and the loop around them."""

    def __init__(self, port: int) -> None:
        self.listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        self.epoll = select.epoll()
        self.epoll.register(self.listener, select.EPOLLIN)
        self.peers: dict[int, Peer] = {}
        self.subscribers: dict[int, Peer] = {}

    def turn(self) -> None:
        for fd, events in self.epoll.poll():
            if fd == self.listener.fileno():
                self.accept()
                continue
            if events & select.EPOLLOUT and self.peers[fd].deliver_rest():
                self.epoll.modify(fd, select.EPOLLIN)
            if events & ~select.EPOLLOUT:
                self.read(self.peers[fd])

    def accept(self) -> None:
        sock, _ = self.listener.accept()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peers[sock.fileno()] = Peer(sock)
        self.epoll.register(sock, select.EPOLLIN)

    def read(self, peer: Peer) -> None:
        data = b""
        with suppress(ConnectionError):
            data = peer.sock.recv(65536)
        if not data:
            self.drop(peer)
        elif peer.sock.fileno() in self.subscribers:
            self.send(peer, b"\x81\x02{}")
        else:
            peer.request += data
            while self.carry_out(peer):
                pass

    def carry_out(self, peer: Peer) -> bool:
        """Carry out the request at the start of what came; False while it is not complete."""
        head, end, body = peer.request.partition(b"\r\n\r\n")
        length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0] or 0)
        if not end or len(body) < length:
            return False
        peer.request = body[length:]
        if head.startswith(b"GET"):
            self.subscribers[peer.sock.fileno()] = peer
            self.send(peer, UPGRADE)
        else:
            self.publish(body[:length].split(b"\n"))
            self.send(peer, b"HTTP/1.1 204 No Content\r\n\r\n")
        return True

    def publish(self, lines: list[bytes]) -> None:
        frames = [framed(line) for line in lines]
        for peer in self.subscribers.values():
            for frame in frames:
                self.send(peer, frame)

    def send(self, peer: Peer, data: bytes) -> None:
        if peer.deliver(data):
            self.epoll.modify(peer.sock, select.EPOLLIN | select.EPOLLOUT)

    def drop(self, peer: Peer) -> None:
        fd = peer.sock.fileno()
        self.epoll.unregister(fd)
        self.subscribers.pop(fd, None)
        self.peers.pop(fd).sock.close()


def framed(text: bytes) -> bytes:
    """A server's text frame, never masked (RFC 6455, section 5.2)."""
    if len(text) < 126:
        return struct.pack("!BB", 0x81, len(text)) + text
    if len(text) < 65536:
        return struct.pack("!BBH", 0x81, 126, len(text)) + text
    return struct.pack("!BBQ", 0x81, 127, len(text)) + text


if __name__ == "__main__":
    loop = RawLoop(int(sys.argv[1]))
    while True:
        loop.turn()
