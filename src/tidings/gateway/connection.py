"""One connection: the thin shell around a session.

Messages come in from the transport and go to the session as commands; the effects that it returns are performed at
once, in order. Replies that come of one step leave in one message. What has to wait runs in a task that lives only as
long as the waiting.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any

from tidings import events
from tidings.gateway import desk
from tidings.gateway.admission.moderation import Moderation
from tidings.gateway.client import Client
from tidings.gateway.fanout import Encoding
from tidings.gateway.grants import SubscriptionGrant
from tidings.gateway.outbox import Held, Outbox
from tidings.gateway.premises import Premises
from tidings.gateway.session import Session
from tidings.gateway.session.opening import wish
from tidings.gateway.session.state import Phase
from tidings.gateway.session.steps import Ask, AskRenewal, Close, Effect, Leave, Ping, Question, Renew, Send
from tidings.gateway.traced import commands
from tidings.gateway.transports.base import Transport
from tidings.gateway.transports.handshake import Handshake
from tidings.model import StreamPosition
from tidings.wire.centrifuge import codes
from tidings.wire.centrifuge.codec import Codec, Inexpressible, Undecodable
from tidings.wire.centrifuge.messages import Disconnect, Note, Push, Reply, Unsubscribe


class Connection:
    """Stands between a transport (as its `Peer`), the channels (as a `Member`) and a session.

    `client_id` is unique; `jitter` is between 0 and 1, see `Session`.
    """

    __slots__ = (
        "_alarm",
        "_client",
        "_moderation",
        "_opened",
        "_postponed",
        "_premises",
        "_session",
        "_transport",
        "client_id",
        "encoding",
        "handshake",
        "outbox",
    )

    def __init__(
        self,
        client_id: str,
        transport: Transport,
        codec: Codec,
        handshake: Handshake,
        premises: Premises[Connection],
        *,
        jitter: float,
    ) -> None:
        self.client_id = client_id
        self.encoding = Encoding(codec, transport.wrap)
        self.outbox = Outbox(transport.write, premises.queue_limit_bytes, self)
        self.handshake: Handshake | None = handshake
        self._premises = premises
        self._transport = transport
        self._opened = premises.clock.now()
        self._session = Session(
            client_id,
            codec,
            premises.policy,
            self._opened,
            transport=transport.name,
            jitter=jitter,
            native_pings=transport.native_pings,
        )
        self._moderation: Moderation | None = None
        if premises.admission.limits_commands:
            self._moderation = Moderation(
                premises.admission, self._session, transport, alarms=premises.alarms, hooks=premises.hooks
            )
        self._client: Client | None = None
        self._postponed: list[Callable[[], None]] | None = None
        """What has been ordered while the client was being let in, and makes sense only once it is."""
        self._alarm = math.inf
        premises.connections.add(self)
        self._set_alarm()

    def __repr__(self) -> str:
        return f"<Connection {self.client_id} of user {self.user!r}, {self._session.state.phase.name.lower()}>"

    @property
    def user(self) -> str:
        return self._session.state.user

    @property
    def info(self) -> bytes:
        return self._session.state.conn_info

    @property
    def meta(self) -> bytes:
        return self._session.state.meta

    @property
    def transport(self) -> str:
        return self._transport.name

    @property
    def is_connected(self) -> bool:
        """Whether the client has been let in and is still here."""
        return self._session.state.phase is Phase.CONNECTED

    @property
    def channels(self) -> list[str]:
        return [channel for channel, one in self._session.state.subscriptions.items() if one.live]

    @property
    def client(self) -> Client:
        """This connection as the application sees it; the same object every time."""
        if self._client is None:
            self._client = Client(self)
        return self._client

    # In, from the transport (`Peer`).

    def receive(self, payload: bytes) -> None:
        now = self._now()
        try:
            commands = self.encoding.codec.decode(payload)
        except Undecodable:
            self._perform(self._session.close(codes.BAD_REQUEST, now))
            return
        if len(commands) > self._premises.policy.rules.command_queue_limit:
            self._perform(self._session.close(codes.TOO_MANY_REQUESTS, now))
            return
        effects: list[Effect] = []
        share = len(payload) // len(commands)
        step = self._session.step if self._moderation is None else self._moderation.step
        for command in commands:
            effects += step(command, now, share)
        self._perform(effects)

    def pong(self) -> None:
        self._perform(self._session.pong(self._now()))

    def pause(self) -> None:
        self.outbox.pause()

    def resume(self) -> None:
        self.outbox.resume()

    def lost(self, code: int, reason: str) -> None:
        by_server = self._session.state.phase is Phase.CLOSED
        self.outbox.close()  # Leaving a channel writes what is pending in it, and there is nobody to write to any more.
        self._perform(self._session.lost(self._now()))
        self._forget(code, reason)
        self._premises.connections.discard(self)
        self._premises.hooks.announce(
            events.ConnectionClosed(
                client=self.client_id if self._session.state.connected else "",
                user=self.user,
                transport=self._transport.name,
                codec=self.encoding.codec.name,
                code=code,
                reason=reason,
                lasted=self._now() - self._opened,
                by_server=by_server,
            )
        )

    def shutdown(self) -> None:
        self._premises.drain()

    # In, from the channels (`Member`).

    def on_insufficient_state(self, channel: str) -> None:
        self._perform(self._session.lose_state(channel, self._now()))

    def on_inexpressible(self) -> None:
        self.end(codes.INAPPROPRIATE_PROTOCOL)

    # In, from the outbox (`Owner`).

    def on_dropped(self, message: Held, count: int) -> None:
        dropped = events.Dropped(self.client_id, self.user, message.channel, message.policy, count)
        self._premises.hooks.announce(dropped)

    def on_overflow(self, message: Held) -> None:
        self.on_dropped(message, 1)
        self.end(codes.SLOW)

    # In, from the server.

    def wake(self) -> None:
        if self._is_forgotten:
            return
        self._alarm = math.inf
        self._perform(self._session.alarm(self._now()))

    def end(self, disconnect: Disconnect) -> None:
        """Close the connection, saying why."""
        self._perform(self._session.close(disconnect, self._now()))

    def disconnect(self, code: int, reason: str) -> None:
        self.end(Disconnect(code, reason))

    def unsubscribe(self, channel: str, why: Unsubscribe = codes.UNSUBSCRIBED_BY_SERVER) -> None:
        """End a subscription, whoever began it."""
        self._perform(self._session.unsubscribe(channel, why, self._now()))

    def unsubscribe_all(self, why: Unsubscribe = codes.UNSUBSCRIBED_BY_SERVER) -> None:
        """End all subscriptions, those that are being opened among them."""
        for channel in list(self._session.state.subscriptions):
            self.unsubscribe(channel, why)

    def refresh(self, expire_at: float | None, info: bytes | None = None) -> None:
        """Let the connection live until another moment; 0 is for ever, None leaves it as it is."""
        self._perform(self._session.refresh(expire_at, self._now(), info))

    def push(self, data: bytes) -> None:
        """Send data to this client alone."""
        try:
            note = Note(self.encoding.codec.embed(data))
        except Inexpressible:
            self.on_inexpressible()
        else:
            self._perform(self._session.tell(Reply(push=Push(message=note)), self._now()))

    def postpone(self, work: Callable[[], None]) -> None:
        """Do something as soon as the client, which is being let in, has been; never if it is not."""
        self._postponed = [*(self._postponed or ()), work]

    async def subscribe(self, channel: str, grant: SubscriptionGrant, since: StreamPosition | None = None) -> None:
        """Subscribe this client to a channel, whatever it is doing.

        Raises `AlreadySubscribed`, `LimitExceeded`, `UnknownChannel` and `BrokerUnavailable`. Cancelling leaves it
        unsubscribed.
        """
        subscription = self._session.begin_subscription(channel, grant, since, self._now())
        try:
            (recovery,) = await self._premises.hub.subscribe(self, [wish(subscription)])
        except BaseException:
            self._perform(self._session.end_subscription(subscription, None, self._now()))
            raise
        self._perform(self._session.end_subscription(subscription, recovery, self._now()))

    # What the session wants.

    def _perform(self, effects: Iterable[Effect]) -> None:
        if (question := self._perform_all(effects)) is not None:
            self._start(self._find_answers(question))

    def _perform_all(self, effects: Iterable[Effect]) -> Question | None:
        """Perform effects, and return the question if they contain one."""
        codec = self.encoding.codec
        replies: list[bytes] = []
        question = None
        for effect in effects:
            match effect:
                case Send(reply):
                    replies.append(codec.encode(reply))
                case Ask(asked):
                    question = asked
                case AskRenewal(renewal):
                    self._start(self._renew(renewal))
                case Ping():
                    self._ping(replies)
                case Leave(channel, options, info, code):
                    self._premises.hub.unsubscribe(self, channel, options, info)
                    if not self._is_forgotten:  # What is opened too late was never the client's.
                        self._tell(self._premises.application.unsubscribed, channel, code)
                case Close(disconnect):
                    self._write(replies)
                    replies.clear()
                    self._close(disconnect)
        self._write(replies)
        self._set_alarm()
        return question

    async def _find_answers(self, question: Question | None) -> None:
        session, premises = self._session, self._premises
        with commands(premises.policy.tracer, self.client_id) as traced:
            while question is not None:
                traced.go_on(*session.under_way)
                answer = await desk.answer(question, self, premises)
                traced.hear(answer)
                # Nothing may be awaited between the answer and its effects: a subscription is live from the answer on,
                # and its reply has to be written before its first publication.
                question = self._perform_all(session.answer(answer, self._now()))
                self._catch_up()
        if session.state.phase in (Phase.REFUSED, Phase.CLOSED):
            premises.users.leave(self.user, self)
            premises.registry.depart(self.client_id)
        if not premises.application.sees_clients():
            self.handshake = None

    async def _renew(self, question: Renew) -> None:
        """Ask beside everything else that is under way: whatever it takes, commands and pings go on."""
        answer = await desk.answer(question, self, self._premises)
        self._perform(self._session.renewed(question.channel, answer, self._now()))

    def _catch_up(self) -> None:
        if self._postponed is not None and self.is_connected:
            postponed, self._postponed = self._postponed, None
            for work in postponed:
                work()

    def _ping(self, replies: list[bytes]) -> None:
        if self._session.state.native_pings:
            self._transport.ping()
        else:
            replies.append(self.encoding.codec.ping)

    def _write(self, replies: list[bytes]) -> None:
        if not replies:
            return
        codec, wrap = self.encoding
        data = wrap(replies[0] if len(replies) == 1 else codec.join(replies))
        if self.outbox.flowing:
            self.outbox.write(data)
        else:
            self.outbox.hold(Held(data))

    def _close(self, disconnect: Disconnect) -> None:
        self._forget(disconnect.code, disconnect.reason)
        self._transport.close(disconnect.code, disconnect.reason)

    def _forget(self, code: int, reason: str) -> None:
        """Leave nothing behind on the premises. Repeating it is harmless."""
        self.outbox.close()
        self._premises.alarms.cancel(self._alarm, self)
        self._alarm = -math.inf
        if self._moderation is not None:
            self._moderation.leave()
        self._premises.registry.depart(self.client_id)
        if self._premises.users.leave(self.user, self):
            self._tell(self._premises.application.disconnected, code, reason)

    @property
    def _is_forgotten(self) -> bool:
        return self._alarm == -math.inf

    def _set_alarm(self) -> None:
        deadline = self._session.deadline()
        if deadline < self._alarm:
            self._premises.alarms.cancel(self._alarm, self)
            self._premises.alarms.set(deadline, self)
            self._alarm = deadline

    # Small things.

    def _now(self) -> float:
        return self._premises.clock.now()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._premises.tasks.add(task)
        task.add_done_callback(self._premises.tasks.discard)

    def _tell(self, handler: Callable[..., Coroutine[Any, Any, None]], *facts: object) -> None:
        """Let the application know, in its own time, of clients that it has let in."""
        if self._premises.application.hears_ends() and self._session.state.connected:
            self._premises.notices.add(self.client_id, partial(self._notify, handler, *facts))

    async def _notify(self, handler: Callable[..., Coroutine[Any, Any, None]], *facts: object) -> None:
        try:
            await handler(self.client, *facts)
        except Exception as error:
            self._premises.hooks.announce(events.CommandFailed(handler.__name__, self.client_id, error))
