"""One connection's conversation: commands, answers and time go in, effects come out.

    NEW ──connect──▶ CONNECTING ──accepted──▶ CONNECTED
                          └──refused──▶ REFUSED
    any ──a broken rule, the server, the transport──▶ CLOSED

Commands are handled strictly in turn. While one waits for an answer the following ones are queued; pongs, time and
whatever the server decides go on. A session never raises for what a client sends: the worst that comes of it is a
`Close`. It reads no clock, and owns nothing that would have to be cancelled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidings import events
from tidings.channels.recovery import Recovery
from tidings.errors import AlreadySubscribed, Disconnect, LimitExceeded, MethodNotFound, NotAvailable, TidingsError
from tidings.gateway.grants import SubscriptionGrant
from tidings.gateway.session import opening, renewal
from tidings.gateway.session.backlog import CommandBacklog
from tidings.gateway.session.commands import COMMANDS
from tidings.gateway.session.heartbeat import Heartbeat
from tidings.gateway.session.policy import Policy
from tidings.gateway.session.state import NEVER, Phase, State, Subscription
from tidings.gateway.session.steps import Ask, Close, Effect, Ended, Leave, Open, Ping, Question, Send, Steps
from tidings.model import StreamPosition
from tidings.wire.centrifuge import codes, messages
from tidings.wire.centrifuge.codec import Codec, Inexpressible
from tidings.wire.centrifuge.messages import Command, Error, Push, Reply


class Session:
    """See the module. `jitter`, between 0 and 1, spreads the first pings of many clients that come at once."""

    __slots__ = (
        "_backlog",
        "_began",
        "_deferred",
        "_heartbeat",
        "_id",
        "_method",
        "_opened",
        "_question",
        "_stale",
        "_steps",
        "_transport",
        "state",
    )

    def __init__(
        self,
        client: str,
        codec: Codec,
        policy: Policy,
        now: float,
        *,
        transport: str = "",
        jitter: float = 0.0,
        native_pings: bool = False,
    ) -> None:
        rules = policy.rules
        self.state = State(client, codec, policy, now, native_pings=native_pings)
        self._transport = transport
        self._opened = now
        self._stale = now + rules.stale_timeout if rules.stale_timeout else NEVER
        self._heartbeat = Heartbeat(rules.ping_interval, rules.pong_timeout, jitter)
        self._backlog: CommandBacklog | None = None
        self._deferred: list[Reply] | None = None
        """What was said while the connect command was being looked at, whose reply has to come first."""
        self._steps: Steps[Any] | None = None
        """The command under way."""
        self._question: Question | None = None
        self._id = 0
        self._method = ""
        self._began = now

    # Doors in: the client.

    def step(self, command: Command, now: float, size_bytes: int = 0) -> list[Effect]:
        """Take a command. `size_bytes` is its part of the message that brought it."""
        state = self.state
        state.now = now
        if state.phase is Phase.CLOSED:
            return []
        # "A command without an id is a pong, whatever else it contains", unless it is a send.
        if not command.id and command.send is None:
            return self._take_pong()
        if self._steps is None:
            self._begin(command)
        else:
            self._enqueue(command, size_bytes)
        return self._effects()

    def answer(self, answer: object, now: float) -> list[Effect]:
        """Take the answer to the last `Ask`. An exception stands for a question that could not be answered."""
        state, steps, question = self.state, self._steps, self._question
        state.now = now
        assert steps is not None
        self._question = None
        if state.phase is Phase.CLOSED:
            self._undo(question, answer)
            self._steps = None
        elif isinstance(answer, BaseException):
            self._advance(lambda: steps.throw(answer))
        else:
            self._advance(lambda: steps.send(answer))
        self._begin_queued()
        return self._effects()

    def pong(self, now: float) -> list[Effect]:
        """Take a pong of the transport's own. Unsolicited ones are allowed (RFC 6455, section 5.5.3)."""
        self.state.now = now
        self._heartbeat.answer()
        return []

    def lost(self, now: float) -> list[Effect]:
        """The transport is gone: give up what the client had."""
        self.state.now = now
        self._leave_all()
        return self._effects()

    # Doors in: time.

    def deadline(self) -> float:
        """When to call `alarm`, at the latest."""
        state = self.state
        if state.phase is Phase.CLOSED:
            return NEVER
        if state.phase is Phase.CONNECTING:
            return self._began + state.policy.rules.connect_timeout
        if state.phase is not Phase.CONNECTED:
            return self._stale
        return min(self._heartbeat.deadline(), state.ends_at, state.next_expiry)

    def alarm(self, now: float) -> list[Effect]:
        """Do what is due. Coming too early is harmless."""
        state = self.state
        state.now = now
        if state.phase is not Phase.CONNECTED:
            self._end_unconnected()
        elif self._heartbeat.is_dead(now):
            self._close(codes.NO_PONG)
        else:
            renewal.ask(state)
            if now >= state.ends_at:
                self._close(codes.CONNECTION_EXPIRED)
            else:
                self._end_expired()
            if state.phase is Phase.CONNECTED and self._heartbeat.ask(now):
                state.effects.append(Ping())
        return self._effects()

    def renewed(self, channel: str, answer: object, now: float) -> list[Effect]:
        """Take the answer to an `AskRenewal`. An exception stands for a question that could not be answered."""
        self.state.now = now
        match renewal.take(self.state, channel, answer):
            case messages.Disconnect() as end:
                self._close(end)
            case messages.Unsubscribe() as end:
                self._end(channel, end)
        return self._effects()

    def excuse(self, until: float) -> None:
        """The client is not being listened to until then, so that its silence is not its fault."""
        self._heartbeat.excuse(until)

    # Doors in: the server.

    def tell(self, reply: Reply, now: float) -> list[Effect]:
        """Send the client something: a push, or the answer to a command that was not taken."""
        self.state.now = now
        self._say(reply)
        return self._effects()

    def close(self, disconnect: messages.Disconnect, now: float) -> list[Effect]:
        """End the connection."""
        self.state.now = now
        self._close(disconnect)
        return self._effects()

    def unsubscribe(self, channel: str, why: messages.Unsubscribe, now: float) -> list[Effect]:
        """End a subscription, if there is one. One that is being opened ends as soon as it is open."""
        state = self.state
        state.now = now
        subscription = state.subscriptions.get(channel)
        if subscription is not None and not subscription.live:
            subscription.ending = why
        elif subscription is not None:
            self._end(channel, why)
        return self._effects()

    def lose_state(self, channel: str, now: float) -> list[Effect]:
        """The channel's continuity is broken. The client subscribes, or connects, again and hears what is true."""
        subscription = self.state.subscriptions.get(channel)
        if subscription is not None and subscription.server_side:
            return self.close(codes.INSUFFICIENT_STATE, now)
        return self.unsubscribe(channel, codes.UNSUBSCRIBED_INSUFFICIENT_STATE, now)

    def refresh(self, expire_at: float | None, now: float, info: bytes | None = None) -> list[Effect]:
        """Let the connection live until another moment; 0 is for ever, None leaves it as it is."""
        state = self.state
        state.now = now
        state.conn_info = state.conn_info if info is None else info
        if expire_at is not None:
            state.expire_at = expire_at
            ttl = state.ttl(expire_at) if expire_at else 0
            self._push(Push(refresh=messages.Refresh(expires=bool(expire_at), ttl=ttl)))
        return self._effects()

    def begin_subscription(
        self, channel: str, grant: SubscriptionGrant, since: StreamPosition | None, now: float
    ) -> Subscription:
        """Reserve a server-side subscription, to be opened by the caller and brought back to `end_subscription`.

        Raises `AlreadySubscribed`, `LimitExceeded` and `UnknownChannel`.
        """
        state = self.state
        state.now = now
        options = state.policy.namespaces.options(channel)
        if channel in state.subscriptions:
            raise AlreadySubscribed
        if len(state.subscriptions) >= state.policy.rules.channel_limit:
            raise LimitExceeded
        request = messages.SubscribeRequest()
        if since is not None:
            request = messages.SubscribeRequest(recover=True, offset=since.offset, epoch=since.epoch)
        return opening.reserve(state, channel, options, grant, request, server_side=True)

    def end_subscription(self, subscription: Subscription, recovery: Recovery | None, now: float) -> list[Effect]:
        """Tell the client of a server-side subscription; `recovery` is None when it could not be opened."""
        state = self.state
        state.now = now
        if state.subscriptions.get(subscription.channel) is not subscription:
            # The connection, or the client's own wish, has ended it meanwhile.
            if recovery is not None:
                state.effects.append(Leave(subscription.channel, subscription.options, subscription.info, 0))
        elif recovery is None:
            state.remove(subscription.channel)
        else:
            opening.go_live(state, subscription, recovery)
            try:
                self._announce(subscription, recovery)
            except Inexpressible:
                self._close(codes.INAPPROPRIATE_PROTOCOL)
            self._end_doomed()
        return self._effects()

    # Private steps: a command on its way.

    def _begin(self, command: Command) -> None:
        state = self.state
        request = command.request()
        if state.phase is Phase.REFUSED or (state.phase is Phase.NEW and command.connect is None):
            self._close(codes.BAD_REQUEST)
            return
        self._id, self._began = command.id, state.now
        if isinstance(request, messages.PingRequest):
            self._method = "ping"
            self._refuse(NotAvailable())
        elif request is None:
            self._method = "unknown"
            self._refuse(MethodNotFound())
        else:
            self._method, begin = COMMANDS[type(request)]
            steps = self._steps = begin(state, request)
            self._advance(lambda: next(steps))

    def _enqueue(self, command: Command, size_bytes: int) -> None:
        if self._backlog is None:
            self._backlog = CommandBacklog(self.state.policy.rules)
        if not self._backlog.add(command, size_bytes):
            self._close(codes.TOO_MANY_REQUESTS)

    def _begin_queued(self) -> None:
        while self._backlog and self._steps is None and self.state.phase is not Phase.CLOSED:
            self._begin(self._backlog.pop())

    def _advance(self, resume: Callable[[], Question]) -> None:
        """Run the command until it asks, or ends."""
        try:
            question = resume()
        except StopIteration as stop:
            self._accept(stop.value)
        except TidingsError as error:
            self._refuse(error)
        except Ended as ended:
            self._close(ended.disconnect)
        except Disconnect as ended:
            self._close(messages.Disconnect(ended.code, ended.reason))
        except Inexpressible:
            self._close(codes.INAPPROPRIATE_PROTOCOL)
        else:
            self._question = question
            self.state.effects.append(Ask(question))
            return
        self._steps = None

    def _accept(self, result: object) -> None:
        if self._method == "connect":
            self._enter_connected()
        if result is not None:
            self._reply(Reply(id=self._id, **{self._method: result}))  # type: ignore[arg-type]
        self._send_deferred()
        self._report(0)
        self._end_doomed()

    def _enter_connected(self) -> None:
        state = self.state
        state.phase, state.connected = Phase.CONNECTED, True
        self._heartbeat.begin(state.now)
        waited = state.now - self._opened
        state.policy.hooks.announce(
            events.ConnectionOpened(state.client, state.user, self._transport, state.codec.name, waited)
        )

    def _refuse(self, error: TidingsError) -> None:
        if self._method == "connect":
            self.state.phase = Phase.REFUSED
            self._leave_subscriptions()
        if self._method != "send":
            self._reply(Reply(id=self._id, error=Error(error.code, error.message, error.temporary)))
        self._report(error.code)

    def _report(self, code: int) -> None:
        lasted = self.state.now - self._began
        self.state.policy.hooks.announce(events.CommandHandled(self._method, code, lasted))

    def _undo(self, question: Question | None, answer: object) -> None:
        """The connection ended while a channel was being opened for it."""
        if isinstance(question, Open) and not isinstance(answer, BaseException):
            for wish in question.wishes:
                self.state.effects.append(Leave(wish.channel, wish.options, wish.info, 0))

    # Private steps: pings and ends.

    def _end_unconnected(self) -> None:
        """A client that says nothing is stale; one that waits for the application is not to blame."""
        if self.state.now >= self.deadline():
            self._close(codes.INTERNAL_ERROR if self.state.phase is Phase.CONNECTING else codes.STALE)

    def _take_pong(self) -> list[Effect]:
        if not self._heartbeat.answer() or self.state.native_pings:
            self._close(codes.BAD_REQUEST)
        return self._effects()

    def _end_expired(self) -> None:
        state = self.state
        if state.now < state.next_expiry:
            return
        grace = state.policy.rules.expiry_grace
        for channel, subscription in list(state.subscriptions.items()):
            if state.now >= subscription.ends_at(grace) and subscription.live:
                if subscription.server_side:
                    self._close(codes.SUBSCRIPTION_EXPIRED)
                    return
                self._end(channel, codes.UNSUBSCRIBED_EXPIRED)

    def _end_doomed(self) -> None:
        """End the subscriptions that were to end while they were being opened."""
        for channel, subscription in list(self.state.subscriptions.items()):
            if subscription.ending is not None and subscription.live:
                self._end(channel, subscription.ending)

    def _end(self, channel: str, why: messages.Unsubscribe) -> None:
        self.state.remove(channel, why.code)
        self._push(Push(channel=channel, unsubscribe=why))

    def _close(self, disconnect: messages.Disconnect) -> None:
        if self.state.phase is not Phase.CLOSED:
            self._leave_all()
            self.state.effects.append(Close(disconnect))

    def _leave_all(self) -> None:
        self.state.phase = Phase.CLOSED
        self._backlog = None
        self._leave_subscriptions()

    def _leave_subscriptions(self) -> None:
        for channel in list(self.state.subscriptions):
            self.state.remove(channel)

    # Doors out.

    @property
    def under_way(self) -> tuple[str, object]:
        """The name of the command that waits for an answer, and what tells it from the others of that name."""
        return self._method, self._steps

    def _announce(self, subscription: Subscription, recovery: Recovery) -> None:
        told = opening.result(self.state, subscription, recovery)
        self._push(
            Push(
                channel=subscription.channel,
                subscribe=messages.Subscribe(
                    recoverable=told.recoverable,
                    epoch=told.epoch,
                    offset=told.offset,
                    positioned=told.positioned,
                    data=told.data,
                ),
            )
        )
        for missed in told.publications:
            self._push(Push(channel=subscription.channel, pub=missed))

    def _reply(self, reply: Reply) -> None:
        self.state.effects.append(Send(reply))

    def _push(self, push: Push) -> None:
        self._say(Reply(push=push))

    def _say(self, reply: Reply) -> None:
        if self.state.phase is not Phase.CONNECTING:
            self._reply(reply)
        elif self._deferred is None:
            self._deferred = [reply]
        else:
            self._deferred.append(reply)

    def _send_deferred(self) -> None:
        deferred, self._deferred = self._deferred, None
        for reply in deferred or ():
            self._say(reply)

    def _effects(self) -> list[Effect]:
        effects, self.state.effects = self.state.effects, []
        return effects
