"""One channel as a client sees it."""

from __future__ import annotations

from tidings.testing.clients.centrifuge.values import ClientInfo, Position, Publication
from tidings.testing.clients.stream import Record, Stream
from tidings.testing.clients.transcript import Closing, Letter
from tidings.wire.centrifuge.messages import SubscribeRequest, SubscribeResult

COMES_BACK = 2500
"""From this code on, a client whose subscription was ended by the server subscribes again."""


class Subscription(Stream[Publication]):
    """The publications of one channel, read as a `Stream` does; joins and leaves are streams beside them.

    It stays the same object when the client reconnects: what is recovered follows upon what came before.
    `request` is what the client asked for, `result` is the server's last answer; of a server-side subscription there
    is only the latter.
    """

    def __init__(self, record: Record, channel: str, request: SubscribeRequest | None, patience: float) -> None:
        super().__init__(record, f"publication in {channel}")
        self.channel = channel
        self.request = request
        self.result = SubscribeResult()
        self._lasts = False
        """Whether nobody has ended it; its connection may have ended."""
        self._connection = 0
        self.ending: Closing | None = None
        """The code and reason with which the server has ended it, if it has."""
        self.joins = Stream[ClientInfo](record, f"join in {channel}")
        self.leaves = Stream[ClientInfo](record, f"leave in {channel}")
        self._position = Position(0, "")
        self.patience = self.joins.patience = self.leaves.patience = patience

    def __repr__(self) -> str:
        state = "active" if self.is_active else f"ended {self.ending}" if self.ending else "inactive"
        return f"<Subscription {self.channel!r}, {state}, {len(self.received)} publications>"

    @property
    def is_active(self) -> bool:
        """Whether it goes on now: nobody has ended it, and its connection is there."""
        record = self._record
        is_open = record.closing is None and record.failure is None
        return self._lasts and is_open and self._connection == record.connections

    @property
    def is_server_side(self) -> bool:
        return self.request is None

    @property
    def publications(self) -> list[Publication]:
        """All that have come so far, in order, read or not, recovered ones among them."""
        return self.received

    @property
    def position(self) -> Position:
        """What this client would report to recover: that of the last publication, or of the server's answer."""
        return self._position

    @property
    def recovered(self) -> bool:
        """Whether the last answer said that nothing was missed, or that all of it was handed over."""
        return self.result.recovered

    async def expect_unsubscribed(self, *, timeout: float | None = None) -> Closing:
        """Wait until the server ends it, and return the code and reason."""
        return await self._wait(lambda: self.ending, lambda: f"the end of the subscription to {self.channel}", timeout)

    # What the client puts in.

    def begin(self, result: SubscribeResult) -> None:
        self.result, self._lasts, self.ending = result, True, None
        self._connection = self._record.connections
        self._position = Position(result.offset, result.epoch)

    def end(self, ending: Closing | None = None) -> None:
        self._lasts, self.ending = False, ending

    @property
    def comes_back(self) -> bool:
        """Whether a client that reconnects subscribes again."""
        return self._lasts or (self.ending is not None and self.ending.code >= COMES_BACK)

    def put(self, letter: Letter[Publication]) -> None:
        super().put(letter)
        if letter.value.offset:
            self._position = letter.value.position
