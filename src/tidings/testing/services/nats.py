"""NATS: one server, with JetStream if wanted."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from tidings.testing.services.base import HOST
from tidings.testing.services.block import ServiceError
from tidings.testing.services.container import Container
from tidings.testing.services.shared import SharedService


class NatsServer(SharedService):
    """A NATS server. With `jetstream` it keeps streams in its directory, and has them again after `restart`.

    `arguments` are further ones of nats-server. A `directory` of your own keeps the streams from block to block.
    """

    name = "nats"
    variables = ("NATS_URL",)
    schemes = ("nats", "tls")
    programs = ("nats-server",)
    package = "nats-server"
    image, image_port = "nats:2-alpine", 4222
    hints: ClassVar[Mapping[str, str]] = {
        **SharedService.hints,
        "can't start jetstream": "JetStream cannot use its directory; remove that, or name another one.",
        "jetstream options:": "This nats-server does not know one of the arguments, and says which it knows.",
    }

    def __init__(self, *arguments: str, jetstream: bool = False, directory: Path | str | None = None) -> None:
        super().__init__(directory=directory)
        self._arguments = arguments
        self._jetstream = jetstream

    @property
    def url(self) -> str:
        return self.given or f"nats://{HOST}:{self.port}"

    def start(self) -> None:
        super().start()
        if self.given and self._jetstream and not self.info().get("jetstream"):
            variable, self.given = self.variable(), ""
            raise ServiceError(f"{variable} names a server without JetStream: start it with -js, or unset {variable}.")

    def command(self) -> list[str]:
        program = self.find("nats-server")
        assert program is not None
        storage = ["-js", "-sd", str(self.directory / "jetstream")] if self._jetstream else []
        return [program, "-a", HOST, "-p", str(self.port), *storage, *self._arguments]

    def container(self) -> Container:
        arguments = ["-p", str(self.image_port), *(["-js"] if self._jetstream else []), *self._arguments]
        return Container(self.image, self.image_port, published=self.port, arguments=arguments)

    def is_ready(self) -> bool:
        info = self.info()
        return bool(info) and (bool(self.given) or not self._jetstream or bool(info.get("jetstream")))

    def info(self) -> Mapping[str, Any]:
        """What the server says of itself to everybody who connects; nothing while it is not there."""
        place = urlsplit(self.url.partition(",")[0])
        with suppress(OSError, ValueError):
            address = (place.hostname or HOST, place.port or 4222)
            with socket.create_connection(address, timeout=1.0) as connection, connection.makefile("rb") as lines:
                kind, _, facts = lines.readline().partition(b" ")
                return dict(json.loads(facts)) if kind == b"INFO" else {}
        return {}
