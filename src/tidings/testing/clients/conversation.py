"""What all clients have in common: a connection that is opened, closed, and listened to.

async with PlainClient(url) as client:
    await client.send({"join": "lobby"})
    assert await client.receive() == {"joined": "lobby"}
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self, TypeVar

from tidings.testing.clients.stream import Record, Stream
from tidings.testing.clients.transcript import Closing, Frame, Observer

T = TypeVar("T")


class Conversation(Stream[T], ABC):
    """A client in a test, which reads its messages as a `Stream` does, and keeps every frame.

    `on_frame` hears each `Frame` at once. `patience` is how many seconds a wait may take that names no timeout of its
    own; `Conversation.patience` is that of all clients that are made from then on.
    """

    def __init__(self, title: str, *, patience: float | None, on_frame: Observer | None) -> None:
        super().__init__(Record(title, on_frame))
        if patience is not None:
            self.patience = patience

    def __repr__(self) -> str:
        state = "open" if self.is_open else f"closed {self.closing}" if self.closing else "not open"
        return f"<{type(self).__name__} at {self._record.transcript.title}, {state}>"

    @property
    def frames(self) -> list[Frame]:
        """Every frame so far, sent and received, and what happened to the connection."""
        return list(self._record.transcript.frames)

    @property
    def transcript(self) -> str:
        """The last frames, as a failure shows them."""
        return str(self._record.transcript)

    @property
    def began(self) -> float:
        """When the conversation began, on `time.monotonic()`: the zero of the frames' times."""
        return self._record.began

    @property
    def closing(self) -> Closing | None:
        """How the connection ended; None while it has not."""
        return self._record.closing

    @property
    @abstractmethod
    def is_open(self) -> bool:
        """Whether the connection is there and has not been closed by either side."""

    @abstractmethod
    async def open(self) -> None:
        """Open the connection. Raises `ConversationError` where that fails, and has then left nothing open."""

    @abstractmethod
    async def leave(self) -> None:
        """Close the connection, in whatever state it is, and wait until nothing of it is left."""

    async def expect_closed(self, *, timeout: float | None = None) -> Closing:
        """Wait until the server ends the connection, and return its code and reason.

        Raises `ConversationError` if it does not in time. Messages that came before stay unread.
        """
        return await self._wait(lambda: self._record.closing, lambda: "the end of the connection", timeout)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.leave()
