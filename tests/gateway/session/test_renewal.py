"""Connections and subscriptions that are due to end, where the application is asked whether they live on."""

from __future__ import annotations

from typing import Any

import pytest
from tests.gateway.session.talk import NOW, SECRET, Talk

from tidings.channels.recovery import Recovery
from tidings.errors import Disconnect, InternalError
from tidings.gateway.grants import ConnectionGrant, Renewal, SubscriptionGrant
from tidings.gateway.session.steps import AskRenewal, Authenticate, Authorize, Call, Effect
from tidings.gateway.tokens import mint
from tidings.model import StreamPosition

pytestmark = pytest.mark.core

HOUR = 3600.0
EXPIRED = "<close 3005 connection expired>"
ENDED = '{"push":{"channel":"open:a","unsubscribe":{"code":2501,"reason":"subscription expired"}}}'


class Renewed(Talk):
    """A conversation in which questions about renewals wait: `about` holds their channels."""

    def __init__(self, *decides: str, **options: Any) -> None:
        super().__init__("refresh", *decides, **{"ping_interval": 0.0, **options})
        self.about: list[str] = []

    def _hear(self, effects: list[Effect]) -> list[str]:
        self.about += [effect.question.channel for effect in effects if isinstance(effect, AskRenewal)]
        return super()._hear([effect for effect in effects if not isinstance(effect, AskRenewal)])

    def renew(self, answer: object, channel: str = "") -> list[str]:
        self.about.remove(channel)
        return self._hear(self.session.renewed(channel, answer, self.now))


def due(after: float = 60.0, *, also: str = "", **options: Any) -> Renewed:
    """A connection that is due to end; the application decides `also` about something."""
    talk = Renewed("connect", also, **options)
    talk.answers[Authenticate] = lambda _: ConnectionGrant("42", expire_at=NOW + after)
    talk.say('{"id":1,"connect":{}}')
    return talk


def subscribed(after: float = 60.0) -> Renewed:
    talk = Renewed("subscribe", "sub_refresh")
    talk.answers[Authorize] = lambda _: SubscriptionGrant(expire_at=NOW + after)
    talk.connect().subscribe("open:a")
    return talk


class TestConnection:
    def test_it_is_asked_about_when_its_time_has_come(self) -> None:
        talk = due()
        assert talk.wait(59.9) == []
        assert talk.about == []
        assert talk.wait(0.1) == []
        assert talk.about == [""]
        assert talk.wait(10) == []
        assert talk.about == [""], "it is asked about once"

    def test_it_lives_on(self) -> None:
        talk = due()
        talk.wait(60)
        assert talk.renew(Renewal(expire_at=NOW + 120, info=b"1", meta=b"2")) == []
        assert (talk.session.state.conn_info, talk.session.state.meta) == (b"1", b"2")
        assert talk.wait(59) == []
        assert talk.about == []
        talk.wait(1)
        assert talk.renew(Renewal()) == []
        assert talk.wait(HOUR) == []
        assert talk.about == [], "it lives for ever"
        assert (talk.session.state.conn_info, talk.session.state.meta) == (b"1", b"2")

    @pytest.mark.parametrize("answer", [Renewal(expired=True), Renewal(expire_at=NOW + 60)])
    def test_it_ends(self, answer: Renewal) -> None:
        """Also with a moment that has passed."""
        talk = due()
        talk.wait(60)
        assert talk.renew(answer) == [EXPIRED]

    def test_the_application_may_end_it_in_its_own_words(self) -> None:
        talk = due()
        talk.wait(60)
        assert talk.renew(Disconnect(4001, "bye")) == ["<close 4001 bye>"]

    def test_an_application_that_cannot_be_asked_costs_nobody_the_connection(self) -> None:
        talk = due()
        talk.wait(60)
        assert talk.renew(InternalError()) == []
        assert talk.wait(59.9) == []
        assert talk.about == []
        talk.wait(0.2)
        assert talk.about == [""]

    def test_an_application_that_never_answers_does(self) -> None:
        talk = due()
        assert talk.wait(120) == [EXPIRED]
        assert talk.renew(Renewal(expire_at=NOW + HOUR)) == [], "and it is too late then"

    def test_it_is_asked_about_at_most_once_a_second(self) -> None:
        talk = due()
        talk.wait(60)
        talk.renew(Renewal(expire_at=NOW + 60.001))
        talk.wait(0.9)
        assert talk.about == []
        talk.wait(0.1)
        assert talk.about == [""]

    def test_commands_and_pings_go_on(self) -> None:
        talk = due(ping_interval=25.0, pong_timeout=8.0)
        for _ in range(2):
            assert talk.wait(25) == ["<ping>"]
            talk.say("{}")
        talk.wait(10)
        assert talk.about == [""]
        assert '"subscribe"' in talk.say('{"id":2,"subscribe":{"channel":"open:a"}}')[0]
        assert talk.wait(15) == ["<ping>"]

    def test_it_is_asked_about_while_a_command_waits(self) -> None:
        talk = due(also="rpc", held=(Call,))
        assert talk.say('{"id":2,"rpc":{"method":"m"}}') == ["<ask Call>"]
        talk.wait(60)
        assert talk.renew(Renewal()) == []
        assert talk.answer(b"1") == ['{"id":2,"rpc":{"data":1}}']

    def test_a_client_with_a_token_is_not_told_to_renew_it(self) -> None:
        talk = Renewed()
        token = mint(SECRET, user="42", ttl=60, now=NOW)
        (reply,) = talk.say(f'{{"id":1,"connect":{{"token":"{token}"}}}}')
        assert '"expires"' not in reply
        talk.wait(60)
        assert talk.about == [""]

    def test_a_client_may_renew_it_all_the_same(self) -> None:
        """Its token may then be good for longer than an answer that is under way."""
        talk = Renewed()
        talk.say(f'{{"id":1,"connect":{{"token":"{mint(SECRET, user="42", ttl=60, now=NOW)}"}}}}')
        talk.wait(60)
        fresh = mint(SECRET, user="42", ttl=HOUR, now=talk.now)
        assert '"refresh":{' in talk.say(f'{{"id":2,"refresh":{{"token":"{fresh}"}}}}')[0]
        assert talk.renew(InternalError()) == []
        assert talk.wait(HOUR - 1) == []
        assert talk.about == []

    def test_what_does_not_end_is_not_asked_about(self) -> None:
        talk = due(after=-NOW)
        assert talk.wait(10 * HOUR) == []
        assert talk.about == []


class TestSubscription:
    def test_it_lives_on(self) -> None:
        talk = subscribed()
        talk.wait(60)
        assert talk.about == ["open:a"]
        assert talk.renew(Renewal(expire_at=NOW + 120, info=b"1"), "open:a") == []
        assert talk.session.state.subscriptions["open:a"].info.chan_info == b"1"
        talk.wait(60)
        assert talk.about == ["open:a"]

    def test_it_ends_and_the_connection_does_not(self) -> None:
        talk = subscribed()
        talk.wait(60)
        assert talk.renew(Renewal(expired=True), "open:a") == ["<leave open:a 2501>", ENDED]
        assert talk.wait(HOUR - 100) == []

    def test_one_on_the_servers_side_ends_the_connection(self) -> None:
        talk = Renewed("sub_refresh").connect()
        begun = talk.session.begin_subscription("open:a", SubscriptionGrant(expire_at=NOW + 60), None, NOW)
        talk.server(talk.session.end_subscription(begun, Recovery(StreamPosition()), NOW))
        talk.wait(60)
        assert talk.renew(Renewal(expired=True), "open:a")[-1] == "<close 3006 subscription expired>"

    def test_one_that_has_ended_meanwhile_is_left_alone(self) -> None:
        talk = subscribed()
        talk.wait(60)
        talk.say('{"id":3,"unsubscribe":{"channel":"open:a"}}')
        assert talk.renew(Renewal(expired=True), "open:a") == []
        talk.answers[Authorize] = lambda _: SubscriptionGrant()
        talk.subscribe("open:a")
        assert talk.server(talk.session.renewed("open:a", Renewal(expired=True), talk.now)) == []

    def test_an_application_that_cannot_be_asked_costs_nobody_the_subscription(self) -> None:
        talk = subscribed()
        talk.wait(60)
        assert talk.renew(InternalError(), "open:a") == []
        assert talk.wait(59) == []

    def test_where_nobody_is_asked_it_ends_as_it_always_did(self) -> None:
        talk = Renewed("subscribe")
        talk.answers[Authorize] = lambda _: SubscriptionGrant(expire_at=NOW + 60)
        talk.connect().subscribe("kept:a")
        assert talk.wait(61)[-1].startswith('{"push":{"channel":"kept:a","unsubscribe":{"code":2501')
        assert talk.about == []
