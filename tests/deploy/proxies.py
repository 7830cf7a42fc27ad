"""The proxies of deploy/proxies as services: the very files, with names, ports and time-outs put into them."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from tidings.testing import TidingsNode
from tidings.testing.services.base import HOST, Service
from tidings.testing.services.block import Missing
from tidings.testing.services.found import Found
from tidings.testing.services.node import accepts

FILES = Path(__file__).parents[2] / "deploy" / "proxies"

TIMEOUT = 75
"""Seconds that a connection may be quiet, in the files."""

SHORT_TIMEOUT = 2
"""The same in tests."""


class Proxy(Service):
    """A proxy in front of nodes, from its file in deploy/proxies, with a certificate where it has TLS."""

    file: ClassVar[str]
    package: ClassVar[str]
    secure = True

    def __init__(self, nodes: Sequence[TidingsNode], certificate: Path) -> None:
        super().__init__()
        self._nodes = nodes
        self._certificate = certificate

    def start(self) -> None:
        if Found.find(self.package) is None:
            raise Missing(f"{self.name} is not installed: apt-get install {self.package}.")
        super().start()

    @property
    def url(self) -> str:
        return f"http{'s' * self.secure}://{HOST}:{self.port}"

    @property
    def websocket(self) -> str:
        return f"{self.url.replace('http', 'ws', 1)}/connection/websocket"

    @property
    def program_path(self) -> str:
        path = Found.find(self.package)
        assert path is not None
        return path

    def is_ready(self) -> bool:
        return accepts(self.port)

    def prepare(self) -> None:
        text = (FILES / self.file).read_text()
        for found, put in self.changes().items():
            changed = re.sub(found, put, text)
            assert changed != text, f"{self.file} has no {found}"
            text = changed
        (self.directory / self.file).write_text(text)

    def changes(self) -> Mapping[str, str]:
        """What a user is told to change, and the time-outs."""
        first, second = (f"{HOST}:{node.port}" for node in self._nodes)
        return {
            r"127\.0\.0\.1:8001": first,
            r"127\.0\.0\.1:8002": second,
            **({rf"\b{TIMEOUT}s": f"{SHORT_TIMEOUT}s"} if self.secure else {}),
        }


class Nginx(Proxy):
    name = package = "nginx"
    file = "nginx.conf"

    def changes(self) -> Mapping[str, str]:
        return {
            **super().changes(),
            "listen 443": f"listen {HOST}:{self.port}",
            "/etc/ssl/tidings/(certificate|key).pem": str(self._certificate),
        }

    def prepare(self) -> None:
        super().prepare()
        paths = [
            f"{kind}_temp_path {self.directory}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        ]
        user = "user root;" if os.getuid() == 0 else ""
        main = f"""
            {user}
            daemon off;
            pid {self.directory}/pid;
            error_log stderr notice;
            worker_processes 1;
            events {{ worker_connections 512; }}
            http {{ access_log off; {" ".join(paths)} include {self.directory}/nginx.conf; }}
        """
        (self.directory / "main.conf").write_text(main)

    def command(self) -> list[str]:
        return [self.program_path, "-p", str(self.directory), "-e", "stderr", "-c", str(self.directory / "main.conf")]


class Haproxy(Proxy):
    name = package = "haproxy"
    file = "haproxy.cfg"

    def changes(self) -> Mapping[str, str]:
        return {
            **super().changes(),
            "bind :443": f"bind {HOST}:{self.port}",
            "/etc/haproxy/tidings.pem": str(self._certificate),
            "inter 2s": "inter 500ms",
            "maxconn 30000": "maxconn 500",  # For which a machine of tests has files enough.
        }

    def command(self) -> list[str]:
        return [self.program_path, "-W", "-db", "-f", str(self.directory / self.file)]


class Caddy(Proxy):
    name = package = "caddy"
    file = "Caddyfile"
    secure = False

    def changes(self) -> Mapping[str, str]:
        return {
            **super().changes(),
            r"realtime\.example\.com": f"{{\n\tadmin {self.admin}\n}}\nhttp://{HOST}:{self.port}",
            "health_interval 2s": "health_interval 500ms",
        }

    @property
    def admin(self) -> str:
        """Where it is told to reload: no port that a second Caddy would have as well."""
        return f"unix/{self.directory}/admin"

    def environment(self) -> Mapping[str, str]:
        return {**os.environ, "HOME": str(self.directory)}

    def reload(self) -> None:
        config = [self.program_path, "reload", "--force", "--config", str(self.directory / self.file)]
        command = [*config, "--adapter", "caddyfile", "--address", self.admin]
        subprocess.run(command, check=True, capture_output=True, env=self.environment(), timeout=20)

    def command(self) -> list[str]:
        config = str(self.directory / self.file)
        return [self.program_path, "run", "--config", config, "--adapter", "caddyfile"]
