"""A conversation with a session, as literal JSON: what a client says, and what it hears.

>>> talk = Talk()
>>> talk.say('{"id":1,"connect":{}}')
['{"id":1,"connect":{"client":"c1","version":"1.0","ping":25,"pong":true,"time":1000000000000}}']

What the server does appears as words in angle brackets: <ask Open>, <close 3501 bad request>, <leave news 0>, <ping>.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidings import events
from tidings.channels.hub import Wish
from tidings.channels.namespaces import Namespaces
from tidings.channels.options import ChannelOptions, SlowPolicy
from tidings.channels.recovery import Recovery
from tidings.gateway.application import NoApplication
from tidings.gateway.session import Policy, Rules, Session
from tidings.gateway.session.steps import Ask, Close, Effect, Leave, Open, Ping, Question, Send
from tidings.gateway.tokens import TokenRules, Verifier, mint
from tidings.hooks import Hooks
from tidings.model import StreamPosition
from tidings.wire.centrifuge.codec import Codec
from tidings.wire.centrifuge.json import JSON

NOW = 1_000_000_000.0
SECRET = "a secret of thirty-two characters"

NAMESPACES = {
    "open": ChannelOptions(
        allow_subscribe_for_client=True,
        allow_subscribe_for_anonymous=True,
        allow_publish_for_subscriber=True,
        presence=True,
        allow_presence_for_subscriber=True,
    ),
    "kept": ChannelOptions(
        history_size=10,
        history_ttl=60.0,
        allow_recovery=True,
        allow_positioning=True,
        allow_subscribe_for_client=True,
        allow_history_for_subscriber=True,
    ),
    "sure": ChannelOptions(
        history_size=10, history_ttl=60.0, force_recovery=True, allow_subscribe_for_client=True, join_leave=True
    ),
    "drops": ChannelOptions(
        history_size=10, history_ttl=60.0, allow_subscribe_for_client=True, slow_policy=SlowPolicy.DROP_OLDEST
    ),
    "shut": ChannelOptions(),
    "mine": ChannelOptions(allow_user_limited_channels=True),
    "digits": ChannelOptions(allow_subscribe_for_client=True, channel_regex="^digits:[0-9]+$"),
}


class Decides(NoApplication):
    """An application that decides about everything it is told to."""

    def __init__(self, *kinds: str) -> None:
        self.kinds = kinds

    def handles_connect(self) -> bool:
        return "connect" in self.kinds

    def handles_subscribe(self, channel: str) -> bool:
        return "subscribe" in self.kinds

    def handles_publish(self, channel: str) -> bool:
        return "publish" in self.kinds

    def handles_rpc(self) -> bool:
        return "rpc" in self.kinds

    def handles_message(self) -> bool:
        return "message" in self.kinds

    def handles_refresh(self) -> bool:
        return "refresh" in self.kinds

    def handles_sub_refresh(self, channel: str) -> bool:
        return "sub_refresh" in self.kinds


class Talk:
    """A session and the rest of the world. Questions are answered at once, unless they are to be `held`."""

    def __init__(
        self,
        *decides: str,
        codec: Codec = JSON,
        held: tuple[type[Question], ...] = (),
        native_pings: bool = False,
        **rules: Any,
    ) -> None:
        self.now = NOW
        self.facts: list[events.Fact] = []
        self.answers: dict[type[Question], Callable[[Any], object]] = {Open: self._open}
        self.asked: list[Question] = []
        self.waiting: list[Question] = []
        self._held = held
        self._codec = codec
        rules = {"anonymous": True, "personal_channel": False, **rules}
        policy = Policy(
            rules=Rules(**rules),
            namespaces=Namespaces(ChannelOptions(allow_subscribe_for_client=True), NAMESPACES),
            verifier=Verifier(TokenRules(hmac_secret=SECRET)),
            handlers=Decides(*decides),
            hooks=Hooks(self.facts.append),
            version="1.0",
        )
        self.session = Session("c1", codec, policy, NOW, jitter=1.0, native_pings=native_pings)

    # What a client does.

    def say(self, text: str) -> list[str]:
        """Send one message, and hear everything that comes of it."""
        heard = []
        for command in self._codec.decode(text.encode()):
            heard += self._hear(self.session.step(command, self.now, len(text)))
        return heard

    def connect(self, user: str = "42") -> Talk:
        """Get the connect over with."""
        token = mint(SECRET, user=user, ttl=3600, now=self.now) if user else ""
        heard = self.say(f'{{"id":1,"connect":{{"token":"{token}"}}}}')
        assert '"client":"c1"' in heard[-1], heard
        return self

    def subscribe(self, channel: str) -> Talk:
        """Get a subscription over with."""
        heard = self.say(f'{{"id":2,"subscribe":{{"channel":"{channel}"}}}}')
        assert '"error"' not in heard[-1], heard
        return self

    # What time and the server do.

    def wait(self, seconds: float) -> list[str]:
        """Let time pass, waking the session whenever it wants to be woken."""
        heard = []
        end = self.now + seconds
        while self.session.deadline() <= end:
            self.now = max(self.now, self.session.deadline())
            heard += self._hear(self.session.alarm(self.now))
        self.now = end
        return heard

    def answer(self, answer: object) -> list[str]:
        """Answer the question that was held."""
        self.waiting.pop()
        return self._hear(self.session.answer(answer, self.now))

    def server(self, effects: list[Effect]) -> list[str]:
        """Hear what comes of something that the server did."""
        return self._hear(effects)

    def asked_for(self, kind: type[Question]) -> Any:
        """The last question of a kind."""
        return [question for question in self.asked if isinstance(question, kind)][-1]

    @property
    def wish(self) -> Wish:
        """The last subscription that was asked for."""
        wish: Wish = self.asked_for(Open).wishes[-1]
        return wish

    # The rest of the world.

    def _open(self, question: Open) -> list[Recovery]:
        """Every stream is at offset 7; whoever recovers has missed nothing."""
        return [
            Recovery(StreamPosition())
            if wish.options.retention is None
            else Recovery(wish.terms.since or StreamPosition(7, "e"), recovered=wish.terms.since is not None)
            for wish in question.wishes
        ]

    def _hear(self, effects: list[Effect]) -> list[str]:
        heard: list[str] = []
        for effect in effects:
            match effect:
                case Send(reply):
                    heard.append(self._codec.encode(reply).decode("latin-1"))
                case Ping():
                    heard.append("<ping>")
                case Close(disconnect):
                    heard.append(f"<close {disconnect.code} {disconnect.reason}>")
                case Leave(channel, _, _, code):
                    heard.append(f"<leave {channel} {code}>")
                case Ask(question):
                    heard += self._ask(question)
        return heard

    def _ask(self, question: Question) -> list[str]:
        self.asked.append(question)
        if isinstance(question, self._held):
            self.waiting.append(question)
            return [f"<ask {type(question).__name__}>"]
        answer = self.answers.get(type(question), lambda _: None)(question)
        return self._hear(self.session.answer(answer, self.now))
