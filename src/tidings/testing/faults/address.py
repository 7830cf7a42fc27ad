"""Where something listens: "127.0.0.1:6379", or a URL such as "redis://127.0.0.1/0", and the same URL elsewhere."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass

PORTS = {
    "redis": 6379,
    "rediss": 6379,
    "ws": 80,
    "wss": 443,
    "http": 80,
    "https": 443,
    "nats": 4222,
    "postgres": 5432,
    "postgresql": 5432,
    "kafka": 9092,
}
"""What a URL without a port means."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port, and the URL that they stand in, if there is one."""

    host: str
    port: int
    url: str = ""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def moved(self, host: str, port: int) -> str:
        """The same URL with another host and port in it; without a URL just those."""
        new = str(Address(host, port))
        if not self.url:
            return new
        parts = urllib.parse.urlsplit(self.url)
        credentials, at, _ = parts.netloc.rpartition("@")
        return urllib.parse.urlunsplit(parts._replace(netloc=f"{credentials}{at}{new}"))


def parse(text: str, *, needs_port: bool = True) -> Address:
    """The address in a text. Raises `ValueError` in one sentence for anything else.

    Port 0, which lets the system choose, is one only where no port is needed.
    """
    url = text if "://" in text else ""
    try:
        parts = urllib.parse.urlsplit(url or f"//{text}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if port is None:
        port = PORTS.get(parts.scheme) if host else None
    is_whole = "," not in text and (url != "" or not (parts.path or parts.query or "@" in text))
    if not is_whole or port is None or (needs_port and not (host and port)):
        raise ValueError(f"{text!r} is no address: write host:port, such as 127.0.0.1:6379, or a URL with them.")
    return Address(host or "127.0.0.1", port, url)
