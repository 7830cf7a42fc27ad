"""Nothing that a client sends raises out of a session, and its own books always balance."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.gateway.session.talk import NAMESPACES, SECRET, Talk

from tidings.brokers.base import Page
from tidings.channels.recovery import Recovery
from tidings.errors import AlreadySubscribed, BrokerUnavailable, Disconnect, LimitExceeded, TidingsError
from tidings.gateway.grants import ConnectionGrant, SubscriptionGrant
from tidings.gateway.session.opening import wish
from tidings.gateway.session.state import Phase
from tidings.gateway.session.steps import (
    Authenticate,
    Authorize,
    Call,
    CountPresence,
    Deliver,
    Effect,
    Enter,
    Leave,
    Open,
    Publish,
    Question,
    ReadHistory,
    ReadPresence,
    Review,
)
from tidings.gateway.tokens import mint
from tidings.model import ClientInfo, Publication, StreamPosition
from tidings.wire.centrifuge import codes, messages
from tidings.wire.centrifuge.messages import Command

pytestmark = pytest.mark.core

CHANNELS = [*(f"{name}:{place}" for name in NAMESPACES for place in "ab"), "plain", "", "mine:x#42", "$open:a", "é:x"]
TOKENS = [
    "",
    "nonsense",
    *(mint(SECRET, user=user, ttl=ttl, now=1e9) for user in ("42", "") for ttl in (-1, 30)),
    *(mint(SECRET, user=user, ttl=ttl, now=1e9, channel="shut:a") for user in ("42", "43") for ttl in (-1, 30)),
]
FAILURES = [BrokerUnavailable(), TidingsError("no", code=499), Disconnect(4000, "go")]

channels = st.sampled_from(CHANNELS) | st.text(max_size=300)
tokens = st.sampled_from(TOKENS)
booleans = st.booleans()
small = st.integers(0, 9)
request = st.one_of(
    st.builds(messages.ConnectRequest, token=tokens),
    st.builds(
        messages.SubscribeRequest,
        channel=channels,
        token=tokens,
        recover=booleans,
        recoverable=booleans,
        positioned=booleans,
        join_leave=booleans,
        offset=small,
        epoch=st.sampled_from(["", "e", "x"]),
        delta=st.sampled_from(["", "fossil", "zip"]),
        flag=small,
        type=st.sampled_from([0, 0, 0, 1]),
    ),
    st.builds(messages.UnsubscribeRequest, channel=channels),
    st.builds(messages.PublishRequest, channel=channels, data=st.just(messages.Raw(b"1"))),
    st.builds(messages.PresenceRequest, channel=channels),
    st.builds(messages.PresenceStatsRequest, channel=channels),
    st.builds(messages.HistoryRequest, channel=channels, limit=st.integers(-2, 9)),
    st.builds(messages.PingRequest),
    st.builds(messages.SendRequest),
    st.builds(messages.RPCRequest, method=st.text(max_size=5)),
    st.builds(messages.RefreshRequest, token=tokens),
    st.builds(messages.SubRefreshRequest, channel=channels, token=tokens),
)
FIELDS = {
    messages.ConnectRequest: "connect",
    messages.SubscribeRequest: "subscribe",
    messages.UnsubscribeRequest: "unsubscribe",
    messages.PublishRequest: "publish",
    messages.PresenceRequest: "presence",
    messages.PresenceStatsRequest: "presence_stats",
    messages.HistoryRequest: "history",
    messages.PingRequest: "ping",
    messages.SendRequest: "send",
    messages.RPCRequest: "rpc",
    messages.RefreshRequest: "refresh",
    messages.SubRefreshRequest: "sub_refresh",
}
commands = st.builds(
    lambda id, body: Command(id=id, **{FIELDS[type(body)]: body}), st.sampled_from([1, 1, 1, 0]), request
)

PUBLICATION = Publication(b'"kept"', 8, ClientInfo("7", "c2"))
ANSWERS: dict[type[Question], Any] = {
    Authenticate: lambda _: ConnectionGrant("42", channels={"open:a": SubscriptionGrant()}),
    Enter: lambda _: None,
    Authorize: lambda _: SubscriptionGrant(),
    Review: lambda question: question.data,
    Publish: lambda _: None,
    ReadPresence: lambda _: {"c2": ClientInfo("7", "c2")},
    CountPresence: lambda _: (1, 1),
    ReadHistory: lambda _: Page((PUBLICATION,), StreamPosition(8, "e")),
    Call: lambda _: b"1",
    Deliver: lambda _: None,
    Open: lambda question: [
        Recovery(StreamPosition(8, "e")) if wish.options.retention else Recovery(StreamPosition())
        for wish in question.wishes
    ],
}


class Sessions(RuleBasedStateMachine):
    """A client that does anything, a server that interferes, answers that come late or fail.

    The hub's side of the subscriptions is kept here: what was opened and not yet left must be what the session says.
    """

    def __init__(self) -> None:
        super().__init__()
        held = tuple(ANSWERS)
        self.talk = Talk("connect", "subscribe", "publish", "rpc", "message", held=held, command_queue_limit=4)
        self.opened: set[str] = set()
        self.begun: list[Any] = []

    # What happens.

    @rule(command=commands)
    def say(self, command: Command) -> None:
        self.perform(self.talk.session.step(command, self.talk.now))

    @rule(token=st.sampled_from(TOKENS[2:6]))
    @precondition(lambda self: self.talk.session.state.phase is Phase.NEW)
    def connect(self, token: str) -> None:
        self.say(Command(id=1, connect=messages.ConnectRequest(token=token)))

    @rule(failure=st.none() | st.sampled_from(FAILURES))
    @precondition(lambda self: self.talk.waiting)
    def answer(self, failure: Exception | None) -> None:
        question = self.talk.waiting.pop()
        answer = failure or ANSWERS[type(question)](question)
        if isinstance(question, Open) and failure is None:
            names = {wish.channel for wish in question.wishes}
            assert not names & self.opened, "opened twice"
            self.opened |= names
        self.perform(self.talk.session.answer(answer, self.talk.now))

    @rule(seconds=st.sampled_from([0.5, 9, 26, 40]))
    def wait(self, seconds: float) -> None:
        self.talk.now += seconds
        self.perform(self.talk.session.alarm(self.talk.now))

    @rule()
    def pong(self) -> None:
        self.perform(self.talk.session.step(Command(), self.talk.now))

    @rule(channel=channels)
    def unsubscribe(self, channel: str) -> None:
        self.perform(self.talk.session.unsubscribe(channel, codes.UNSUBSCRIBED_BY_SERVER, self.talk.now))

    @rule(channel=st.sampled_from(CHANNELS))
    def lose_state(self, channel: str) -> None:
        self.perform(self.talk.session.lose_state(channel, self.talk.now))

    @rule(channel=st.sampled_from(CHANNELS[:8]))
    @precondition(lambda self: self.talk.session.state.phase is Phase.CONNECTED)
    def begin(self, channel: str) -> None:
        try:
            begun = self.talk.session.begin_subscription(channel, SubscriptionGrant(), None, self.talk.now)
        except (AlreadySubscribed, LimitExceeded):
            return
        self.begun.append(begun)

    @rule(works=booleans)
    @precondition(lambda self: self.begun)
    def end(self, works: bool) -> None:
        begun = self.begun.pop()
        if works:
            assert begun.channel not in self.opened, "opened twice"
            self.opened.add(begun.channel)
        recovery = ANSWERS[Open](Open((wish(begun),)))[0] if works else None
        self.perform(self.talk.session.end_subscription(begun, recovery, self.talk.now))

    @rule()
    def lost(self) -> None:
        self.perform(self.talk.session.lost(self.talk.now))

    def perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Leave):
                assert effect.channel in self.opened, "left what was never opened"
                self.opened.discard(effect.channel)
        self.talk.server(effects)

    # What always holds.

    @invariant()
    def the_books_balance(self) -> None:
        live = {name for name, one in self.talk.session.state.subscriptions.items() if one.live}
        assert live == self.opened

    @invariant()
    def one_question_at_a_time(self) -> None:
        assert len(self.talk.waiting) <= 1

    @invariant()
    def a_closed_session_has_nothing(self) -> None:
        if self.talk.session.state.phase is Phase.CLOSED:
            assert not self.talk.session.state.subscriptions
            assert self.talk.session.deadline() == float("inf")


TestSessions = Sessions.TestCase
TestSessions.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestSessions.pytestmark = pytest.mark.core
