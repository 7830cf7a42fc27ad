"""One connection to a NATS server: steps go out in order, and are confirmed in order.

NATS answers nothing to a publication. So after the steps of one turn of the loop the connection publishes a word to
itself: a server handles what a connection says in order, and when that word comes back, everything before it was taken.
Concurrent callers share it, and nobody waits for a timer. (nats-py's own `flush` will not do: it writes its ping before
what `publish` has put into the buffer.)

A line is used once. nats-py connects, speaks and parses; its reconnecting is off, because it would keep publications in
a buffer and send them whenever it comes back. Two of its inner names are used here: `_transport` is given a `Wire`, and
`_process_msg` is replaced, since a queue and a task for each subscription keep no order between them.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from enum import Enum

from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.errors import Error, UnexpectedEOF

from tidings.brokers.endpoints import Endpoint, named
from tidings.brokers.link import LineLost, OnLost, Refusal
from tidings.brokers.nats.address import Credentials
from tidings.brokers.nats.wire import Wire
from tidings.errors import LimitExceeded

OnMessage = Callable[[str, bytes], None]

CONNECT_TIMEOUT = 3
"""Seconds for everything until a line is up."""

BATCH = 500
"""Steps that one word confirms."""

_NOT_PERMITTED = re.compile(r'permissions violation for (publish|subscription) to "([^"]*)"')


class Refused(Refusal):
    """The server permits this step not to us."""


class Verb(Enum):
    """What a step does."""

    PUBLISH = "publish"
    SUBSCRIBE = "subscription"
    UNSUBSCRIBE = "unsubscribe"
    ECHO = "echo"


class Step:
    """Something that was said to the server, or is going to be. `confirmed` is done when the server has taken it.

    A publication whose `confirmed` is cancelled before it was `sent` is never sent.
    """

    __slots__ = ("confirmed", "payload", "refusal", "sent", "subject", "verb")

    def __init__(self, verb: Verb, subject: str, payload: bytes, confirmed: asyncio.Future[None]) -> None:
        self.verb = verb
        self.subject = subject
        self.payload = payload
        self.confirmed = confirmed
        self.sent = False
        self.refusal = ""

    def settle(self) -> None:
        if self.confirmed.done():
            return
        if self.refusal:
            self.confirmed.set_exception(Refused(self.refusal))
        else:
            self.confirmed.set_result(None)

    def lose(self, reason: str) -> None:
        if not self.confirmed.done():
            self.confirmed.set_exception(LineLost(reason, sent=self.sent))


class Connection(Client):
    """nats-py's client, which hands messages over as they are read."""

    def __init__(self, on_message: OnMessage) -> None:
        super().__init__()
        self._on_message = on_message

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        self._on_message(subject.decode(), data)


class Line:
    """See the module. `on_message` gets a message's subject and content, `on_lost` hears the end, once."""

    def __init__(self, echo: str, on_message: OnMessage, on_lost: OnLost) -> None:
        self._loop = asyncio.get_running_loop()
        self._echo = echo
        self._secret = secrets.token_bytes(12)
        self._on_message = on_message
        self._on_lost = on_lost
        self._connection = Connection(self._take)
        self._wire: Wire | None = None
        self._subscriptions: dict[str, Subscription] = {}
        self._waiting: deque[Step] = deque()
        self._under_way: deque[Step] = deque()
        self._news = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._quiet_since = 0.0
        self._ended = ""
        self._why = ""

    async def open(
        self, endpoint: Endpoint, credentials: Credentials, context: ssl.SSLContext | None, *, name: str
    ) -> None:
        """Connect, once. Raises `OSError` for every reason not to be; then nothing is left of the attempt."""
        self._wire = self._connection._transport = Wire(must_encrypt=context is not None)
        try:
            await self._connection.connect(
                [f"nats://{named(endpoint)}"],
                name=name,
                user=credentials.user or None,
                password=credentials.password if credentials.user else None,
                token=credentials.token or None,
                tls=context,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=CONNECT_TIMEOUT,
                pending_size=0,  # whoever publishes while there is no connection is told so
                error_cb=self._note,
                closed_cb=self._close,
            )
            await self._connection.subscribe(self._echo)
        except BaseException as error:
            self._ended = "never opened"
            self._wire.close()
            await self._let_go()
            if isinstance(error, Error | TimeoutError):
                raise ConnectionError(self._why or str(error) or "no answer") from error
            raise
        self._writer = self._loop.create_task(self._write(), name=f"writer to {named(endpoint)}")

    # Steps.

    def publish(self, subject: str, payload: bytes) -> Step:
        """Raises `LineLost`, and `LimitExceeded` for more than the server takes in one message."""
        most = self._connection.max_payload
        if len(payload) > most:
            raise LimitExceeded(f"a message of {len(payload)} bytes is more than the broker takes, which is {most}")
        return self._add(Verb.PUBLISH, subject, payload)

    def subscribe(self, subject: str) -> Step:
        """Repeating it is harmless, as it is for all that follow. Raises `LineLost`."""
        return self._add(Verb.SUBSCRIBE, subject)

    def unsubscribe(self, subject: str) -> Step:
        return self._add(Verb.UNSUBSCRIBE, subject)

    def probe(self) -> Step:
        """Does nothing. When it is confirmed, everything that was sent to us before has been heard."""
        return self._add(Verb.ECHO, self._echo)

    def nudge(self) -> None:
        """Ask for a sign of life that nobody waits for. Raises `LineLost`."""
        self.probe().confirmed.add_done_callback(forget)

    def _add(self, verb: Verb, subject: str, payload: bytes = b"") -> Step:
        if self._ended:
            raise LineLost(self._ended, sent=False)
        step = Step(verb, subject, payload, self._loop.create_future())
        self._waiting.append(step)
        self._news.set()
        return step

    # State.

    @property
    def waiting(self) -> int:
        """How many steps are not confirmed yet."""
        return len(self._under_way) + len(self._waiting)

    def quiet(self) -> float:
        """For how many seconds a confirmation has been due without a sign of life; 0 while none is due."""
        return self._loop.time() - self._quiet_since if self._under_way else 0.0

    # The end.

    def end(self, reason: str) -> None:
        """Give the connection up, for a reason that the waiting callers hear. Repeating it is harmless."""
        if self._ended:
            return
        self._ended = reason
        for step in (*self._under_way, *self._waiting):
            step.lose(reason)
        self._under_way.clear()
        self._waiting.clear()
        if self._wire is not None:
            self._wire.close()
        self._on_lost(reason)

    async def close(self) -> None:
        """Let go of everything. Comes after `end`."""
        try:
            if self._writer is not None:
                self._writer.cancel()
                await asyncio.wait([self._writer])
        finally:
            await self._let_go()

    # Private steps.

    async def _write(self) -> None:
        while not self._ended:
            if self._waiting:
                await asyncio.sleep(0)  # Thousands of subscriptions leave room for others.
            else:
                self._news.clear()
                await self._news.wait()
            try:
                for _ in range(min(len(self._waiting), BATCH)):
                    await self._say(self._waiting.popleft())
                await self._say(self._asking_for_echo())
            except (OSError, Error) as error:
                self.end(self._why or str(error))

    def _asking_for_echo(self) -> Step:
        step = Step(Verb.ECHO, self._echo, self._secret, self._loop.create_future())
        step.confirmed.add_done_callback(forget)
        return step

    async def _say(self, step: Step) -> None:
        if self._ended or (step.verb is Verb.PUBLISH and step.confirmed.done()):
            return  # Whoever waited has heard of the end, or has given up, and nothing is published.
        if not self._under_way:
            self._quiet_since = self._loop.time()
        step.sent = True
        self._under_way.append(step)
        match step.verb:
            case Verb.PUBLISH:
                await self._connection.publish(step.subject, step.payload)
            case Verb.SUBSCRIBE if step.subject not in self._subscriptions:
                self._subscriptions[step.subject] = await self._connection.subscribe(step.subject)
            case Verb.UNSUBSCRIBE if step.subject in self._subscriptions:
                await self._subscriptions.pop(step.subject).unsubscribe()
            case Verb.ECHO if step.payload:
                await self._connection.publish(self._echo, step.payload)

    async def _let_go(self) -> None:
        with suppress(OSError, Error, AssertionError):  # It asserts that it got as far as to be connected.
            await self._connection.close()

    def _take(self, subject: str, content: bytes) -> None:
        self._quiet_since = self._loop.time()
        if self._ended:
            return
        if subject == self._echo:
            if content == self._secret:
                self._settle_up_to_echo()
            return
        try:
            self._on_message(subject, content)
        except Exception as error:  # whatever a receiver does wrong must not end nats-py's reading
            self._loop.call_exception_handler({"message": "a receiver of the broker raised", "exception": error})

    def _settle_up_to_echo(self) -> None:
        while self._under_way:
            step = self._under_way.popleft()
            step.settle()
            if step.payload is self._secret:
                return

    async def _note(self, error: Exception) -> None:
        """What nats-py reports. A refusal arrives before the echo of the steps that it is about."""
        text = "the server closed the connection" if isinstance(error, UnexpectedEOF) else str(error)
        self._why = text.removeprefix("nats: ").strip("'")
        if (found := _NOT_PERMITTED.search(self._why)) is not None and not self._refuse(*found.groups()):
            self._why = f"{self._why}, without which nothing is ever confirmed"
            self.end(self._why)

    def _refuse(self, verb: str, subject: str) -> bool:
        """Mark what the server does not permit; False if it is no caller's. nats-py reports in small letters."""
        meant = [
            step
            for step in self._under_way
            if (step.verb.value, step.subject.lower(), step.refusal) == (verb, subject, "")
        ]
        # Of publications each is refused by itself; all subscriptions to a subject are one.
        for step in meant[:1] if verb == Verb.PUBLISH.value else meant:
            step.refusal = self._why
            if step.verb is Verb.SUBSCRIBE:
                self._subscriptions.pop(step.subject, None)
        return bool(meant)

    async def _close(self) -> None:
        """nats-py has closed the connection."""
        self.end(self._why or str(self._connection.last_error or "the server closed the connection"))


def forget(confirmed: asyncio.Future[None]) -> None:
    """What becomes of a step does not matter: a callback for its future."""
    if not confirmed.cancelled():
        confirmed.exception()
