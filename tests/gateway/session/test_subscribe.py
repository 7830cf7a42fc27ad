"""The subscribe, unsubscribe and sub_refresh commands."""

from __future__ import annotations

import jwt
import pytest
from tests.gateway.session.talk import NOW, SECRET, Talk

from tidings.channels.options import Override
from tidings.channels.recovery import Recovery
from tidings.errors import AlreadySubscribed, BrokerUnavailable, Disconnect, PermissionDenied
from tidings.gateway.grants import SubscriptionGrant
from tidings.gateway.session.steps import Authorize, Open
from tidings.gateway.tokens import mint
from tidings.model import ClientInfo, Publication, StreamPosition
from tidings.wire.centrifuge import codes

pytestmark = pytest.mark.core


def error(code: int, message: str) -> list[str]:
    return [f'{{"id":2,"error":{{"code":{code},"message":"{message}"}}}}']


DENIED = error(103, "permission denied")


def subscribe(channel: str, **more: object) -> str:
    fields = "".join(f',"{name}":{value}' for name, value in more.items())
    return f'{{"id":2,"subscribe":{{"channel":"{channel}"{fields}}}}}'


def with_token(channel: str, *, named: str = "", **claims: object) -> str:
    claims = {"sub": "42", "channel": named or channel, **claims}
    return subscribe(channel, token=f'"{jwt.encode(claims, SECRET, algorithm="HS256")}"')


class TestChecks:
    """In the protocol's order: the first that fails decides."""

    def test_the_empty_channel_ends_the_connection(self) -> None:
        assert Talk().connect().say(subscribe("")) == ["<close 3501 bad request>"]

    def test_a_name_that_is_too_long(self) -> None:
        assert Talk().connect().say(subscribe("nowhere:" + "a" * 255)) == error(107, "bad request")

    def test_a_duplicate(self) -> None:
        assert Talk().connect().subscribe("open:a").say(subscribe("open:a")) == error(105, "already subscribed")

    def test_a_channel_that_the_server_subscribed(self) -> None:
        assert Talk(personal_channel=True).connect().say(subscribe("#42")) == error(105, "already subscribed")

    def test_one_too_many(self) -> None:
        talk = Talk(channel_limit=2).connect().subscribe("open:a").subscribe("open:b")
        assert talk.say(subscribe("open:c")) == error(106, "limit exceeded")
        talk.say('{"id":3,"unsubscribe":{"channel":"open:a"}}')
        talk.subscribe("open:c")

    def test_an_unknown_namespace(self) -> None:
        assert Talk().connect().say(subscribe("nowhere:a")) == error(102, "unknown channel")

    @pytest.mark.parametrize("channel", ["digits:x", "open:\\u00e9", "open:\\u0007"])
    def test_a_name_that_may_not_be(self, channel: str) -> None:
        assert Talk().connect().say(subscribe(channel)) == error(107, "bad request")

    def test_a_name_that_fits_the_expression(self) -> None:
        Talk().connect().subscribe("digits:42")

    def test_a_private_channel_wants_a_token(self) -> None:
        """Even where everything is allowed."""
        assert Talk(insecure=True).connect().say(subscribe("$open:a")) == DENIED
        assert Talk().connect().say(with_token("$open:a")) == ['{"id":2,"subscribe":{}}']

    def test_permission(self) -> None:
        assert Talk().connect().say(subscribe("shut:a")) == DENIED
        assert Talk(insecure=True).connect().say(subscribe("shut:a")) == ['{"id":2,"subscribe":{}}']

    def test_permission_of_somebody_anonymous(self) -> None:
        assert Talk().connect("").say(subscribe("kept:a")) == DENIED
        assert Talk().connect("").say(subscribe("open:a")) == ['{"id":2,"subscribe":{}}']

    @pytest.mark.parametrize(
        ("channel", "let_in"), [("mine:x#42", True), ("mine:x#41,42", True), ("mine:x#421", False)]
    )
    def test_a_user_limited_channel(self, channel: str, let_in: bool) -> None:
        assert Talk().connect("42").say(subscribe(channel)) == (['{"id":2,"subscribe":{}}'] if let_in else DENIED)

    def test_a_user_limited_channel_is_for_nobody_anonymous(self) -> None:
        assert Talk().connect("").say(subscribe("mine:x#")) == DENIED

    @pytest.mark.parametrize("channel", ["#41", "#41,42", "#"])
    def test_a_personal_channel_is_for_nobody_else(self, channel: str) -> None:
        """Whatever the options allow and the application would say. Where there are none, it is a name like others."""
        assert Talk("subscribe", personal_channel=True).connect("42").say(subscribe(channel)) == DENIED
        assert Talk().connect("42").say(subscribe(channel)) == ['{"id":2,"subscribe":{}}']

    def test_an_unknown_delta_ends_the_connection(self) -> None:
        assert Talk().connect().say(subscribe("open:a", delta='"zip"')) == ["<close 3501 bad request>"]

    def test_delta_is_not_accepted(self) -> None:
        assert Talk().connect().say(subscribe("open:a", delta='"fossil"')) == ['{"id":2,"subscribe":{}}']

    def test_a_tags_filter_is_refused(self) -> None:
        assert Talk().connect().say(subscribe("open:a", tf='{"key":"a","cmp":"ex"}')) == error(107, "bad request")

    def test_another_type_of_subscription_is_not_available(self) -> None:
        assert Talk().connect().say(subscribe("open:a", type=1)) == error(108, "not available")


class TestToken:
    def test_it_lets_in_and_says_how(self) -> None:
        talk = Talk().connect()
        command = with_token("shut:a", info={"seat": 3}, data={"hi": 1})
        assert talk.say(command) == ['{"id":2,"subscribe":{"data":{"hi":1}}}']
        assert talk.wish.info == ClientInfo("42", "c1", b"", b'{"seat":3}')

    def test_expired(self) -> None:
        assert Talk().connect().say(with_token("shut:a", exp=NOW - 1)) == error(109, "token expired")

    def test_forged(self) -> None:
        token = jwt.encode({"sub": "42", "channel": "shut:a"}, SECRET + "!", algorithm="HS256")
        assert Talk().connect().say(subscribe("shut:a", token=f'"{token}"')) == DENIED

    @pytest.mark.parametrize(
        "claims", [{"named": "shut:b"}, {"sub": "43"}, {"sub": ""}, {"client": "c2"}], ids=lambda claims: str(claims)
    )
    def test_for_somebody_or_something_else(self, claims: dict[str, str]) -> None:
        """That is no accident, and ends the connection."""
        assert Talk().connect().say(with_token("shut:a", **claims)) == ["<close 3500 invalid token>"]

    def test_it_overrides_options(self) -> None:
        talk = Talk().connect()
        override = {"force_recovery": {"value": True}, "join_leave": {"value": True}}
        assert '"recoverable":true' in talk.say(with_token("kept:a", override=override))[0]
        assert talk.wish.options.join_leave


class TestApplication:
    def test_it_decides(self) -> None:
        talk = Talk("subscribe").connect()
        talk.answers[Authorize] = lambda _: SubscriptionGrant(info=b"1", override=Override(join_leave=True))
        assert talk.say(subscribe("shut:a", data='{"why":1}')) == ['{"id":2,"subscribe":{}}']
        assert talk.asked_for(Authorize) == Authorize("shut:a", b'{"why":1}')
        assert talk.wish.info.chan_info == b"1"

    def test_it_refuses(self) -> None:
        talk = Talk("subscribe").connect()
        talk.answers[Authorize] = lambda _: PermissionDenied("members only")
        assert talk.say(subscribe("open:a")) == error(103, "members only")
        assert not talk.session.state.subscriptions

    def test_it_sends_away(self) -> None:
        talk = Talk("subscribe").connect()
        talk.answers[Authorize] = lambda _: Disconnect(4000, "come back later")
        assert talk.say(subscribe("open:a")) == ["<close 4000 come back later>"]

    def test_a_token_or_the_name_decides_first(self) -> None:
        talk = Talk("subscribe").connect()
        assert talk.say(with_token("shut:a")) == ['{"id":2,"subscribe":{}}']
        assert talk.say(subscribe("mine:x#7")) == DENIED
        assert not [question for question in talk.asked if isinstance(question, Authorize)]

    def test_the_place_is_taken_while_the_application_decides(self) -> None:
        """Nobody else can take it, and what the server decides about it is not lost."""
        talk = Talk("subscribe", held=(Authorize,)).connect()
        talk.say(subscribe("open:a"))
        with pytest.raises(AlreadySubscribed):
            talk.session.begin_subscription("open:a", SubscriptionGrant(), None, NOW)
        assert talk.server(talk.session.unsubscribe("open:a", codes.UNSUBSCRIBED_BY_SERVER, NOW)) == []
        assert talk.answer(SubscriptionGrant(info=b"1")) == [
            '{"id":2,"subscribe":{}}',
            "<leave open:a 2000>",
            '{"push":{"channel":"open:a","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}',
        ]

    def test_a_refusal_frees_the_place(self) -> None:
        talk = Talk("subscribe", held=(Authorize,)).connect()
        talk.say(subscribe("open:a"))
        assert talk.answer(PermissionDenied()) == DENIED
        talk.session.begin_subscription("open:a", SubscriptionGrant(), None, NOW)


class TestRenewal:
    def test_tracking_is_not_available(self) -> None:
        talk = Talk().connect().subscribe("open:a")
        request = '{"id":2,"sub_refresh":{"channel":"open:a","token":"x","type":1}}'
        assert talk.say(request) == error(108, "not available")

    def test_a_token_that_expires_after_one_that_did_not(self) -> None:
        """The client renewed by itself, so it has the same time to do so again."""
        talk = Talk().connect("")
        talk.say(f'{{"id":3,"refresh":{{"token":"{mint(SECRET, user="", ttl=30, now=NOW)}"}}}}')
        assert talk.wait(54) != [] and talk.session.deadline() > NOW + 54


class TestWhatIsGranted:
    def test_a_plain_channel_has_no_position(self) -> None:
        talk = Talk().connect()
        assert talk.say(subscribe("open:a", recoverable="true", positioned="true")) == ['{"id":2,"subscribe":{}}']

    def test_recovery_is_on_when_asked_for_and_allowed(self) -> None:
        talk = Talk().connect()
        assert talk.say(subscribe("kept:a", recoverable="true")) == [
            '{"id":2,"subscribe":{"recoverable":true,"epoch":"e","offset":7,"positioned":true}}'
        ]

    def test_positioning_alone(self) -> None:
        talk = Talk().connect()
        assert talk.say(subscribe("kept:a", positioned="true")) == [
            '{"id":2,"subscribe":{"epoch":"e","offset":7,"positioned":true}}'
        ]

    def test_recovery_is_on_when_forced(self) -> None:
        assert '"recoverable":true' in Talk().connect().say(subscribe("sure:a"))[0]

    def test_join_and_leave_are_pushed_when_asked_for_and_allowed(self) -> None:
        """Asked for without permission to read presence, they are silently left out."""
        talk = Talk().connect()
        talk.say(subscribe("sure:a", join_leave="true"))
        assert not talk.wish.terms.join_leave
        talk.say(
            with_token("open:a", override={"join_leave": {"value": True}}).replace(
                '"token"', '"join_leave":true,"token"'
            )
        )
        assert talk.wish.terms.join_leave

    def test_no_recovery_where_publications_are_given_up(self) -> None:
        """A namespace that drops what a slow client cannot take leaves holes, whatever a token or the mode says."""
        override = {"force_recovery": {"value": True}, "force_positioning": {"value": True}}
        granted = ['{"id":2,"subscribe":{"epoch":"e","offset":7}}']
        assert Talk().connect().say(with_token("drops:a", override=override)) == granted
        wanted = subscribe("drops:a", recoverable="true", positioned="true")
        assert Talk(insecure=True).connect().say(wanted) == granted


class TestRecovery:
    def test_a_position_is_asked_for(self) -> None:
        talk = Talk().connect()
        talk.answers[Open] = lambda _: [
            Recovery(StreamPosition(5, "e"), (Publication(b'{"n":6}', 6), Publication(b'{"n":7}', 7)), recovered=True)
        ]
        assert talk.say(subscribe("sure:a", recover="true", offset=5, epoch='"e"')) == [
            '{"id":2,"subscribe":{"recoverable":true,"epoch":"e","publications":[{"data":{"n":6},"offset":6},'
            '{"data":{"n":7},"offset":7}],"recovered":true,"offset":5,"positioned":true,"was_recovering":true}}'
        ]
        assert talk.wish.terms.since == StreamPosition(5, "e")

    def test_what_is_not_recovered_is_told(self) -> None:
        talk = Talk().connect()
        talk.answers[Open] = lambda _: [Recovery(StreamPosition(9, "new"))]
        assert talk.say(subscribe("sure:a", recover="true", offset=5, epoch='"e"')) == [
            '{"id":2,"subscribe":{"recoverable":true,"epoch":"new","offset":9,"positioned":true,"was_recovering":true}}'
        ]

    def test_a_client_may_prefer_an_error(self) -> None:
        """Flag 2: it then loads its state anew, and is not subscribed."""
        talk = Talk().connect()
        talk.answers[Open] = lambda _: [Recovery(StreamPosition(9, "new"))]
        command = subscribe("sure:a", recover="true", offset=5, epoch='"e"', flag=2)
        assert talk.say(command) == ["<leave sure:a 0>", *error(112, "unrecoverable position")]
        assert not talk.session.state.subscriptions

    def test_other_flags_are_ignored(self) -> None:
        assert '"id":2,"subscribe"' in Talk().connect().say(subscribe("sure:a", flag=1))[0]

    def test_a_binary_publication_cannot_be_handed_to_a_json_client(self) -> None:
        talk = Talk().connect()
        talk.answers[Open] = lambda _: [
            Recovery(StreamPosition(5, "e"), (Publication(b"\x00\xff", 6),), recovered=True)
        ]
        heard = talk.say(subscribe("sure:a", recover="true", offset=5, epoch='"e"'))
        assert heard == ["<leave sure:a 0>", "<close 3506 inappropriate protocol>"]


def test_a_broker_that_is_away_leaves_nothing_behind() -> None:
    talk = Talk().connect()
    talk.answers[Open] = lambda _: BrokerUnavailable()
    assert '"code":100' in talk.say(subscribe("open:a"))[0]
    assert not talk.session.state.subscriptions


class TestUnsubscribe:
    def test_it_ends_the_subscription(self) -> None:
        talk = Talk().connect().subscribe("open:a")
        assert talk.say('{"id":3,"unsubscribe":{"channel":"open:a"}}') == [
            "<leave open:a 0>",
            '{"id":3,"unsubscribe":{}}',
        ]

    def test_a_channel_that_was_never_subscribed(self) -> None:
        assert Talk().connect().say('{"id":3,"unsubscribe":{"channel":"open:a"}}') == ['{"id":3,"unsubscribe":{}}']

    def test_the_empty_channel_ends_the_connection(self) -> None:
        assert Talk().connect().say('{"id":3,"unsubscribe":{}}') == ["<close 3501 bad request>"]


class TestSubRefresh:
    @staticmethod
    def talk() -> Talk:
        talk = Talk(ping_interval=0.0).connect()
        assert '"ttl":60' in talk.say(with_token("shut:a", exp=NOW + 60))[0]
        return talk

    @staticmethod
    def refresh(token: str, channel: str = "shut:a") -> str:
        return f'{{"id":2,"sub_refresh":{{"channel":"{channel}","token":"{token}"}}}}'

    def test_a_new_token_prolongs_the_subscription(self) -> None:
        talk = self.talk()
        token = mint(SECRET, user="42", ttl=600, now=NOW, channel="shut:a")
        assert talk.say(self.refresh(token)) == ['{"id":2,"sub_refresh":{"expires":true,"ttl":600}}']
        assert talk.wait(600) == []

    def test_an_expired_token_is_told_and_the_subscription_still_ends(self) -> None:
        """The peer that this protocol comes from forgets the expiry here; we do not."""
        talk = self.talk()
        token = mint(SECRET, user="42", ttl=-1, now=NOW, channel="shut:a")
        assert talk.say(self.refresh(token)) == error(110, "expired")
        assert talk.wait(90)[0] == "<leave shut:a 2501>"

    def test_an_expiry_in_the_past_is_told_too(self) -> None:
        token = jwt.encode({"sub": "42", "channel": "shut:a", "expire_at": NOW - 1}, SECRET, algorithm="HS256")
        assert self.talk().say(self.refresh(token)) == error(110, "expired")

    def test_not_subscribed(self) -> None:
        assert self.talk().say(self.refresh("x", "open:a")) == DENIED

    def test_without_a_token(self) -> None:
        assert self.talk().say(self.refresh("")) == error(107, "bad request")

    def test_the_empty_channel_ends_the_connection(self) -> None:
        assert self.talk().say(self.refresh("x", ""))[-1] == "<close 3501 bad request>"

    def test_a_subscription_that_does_not_expire_ends_the_connection(self) -> None:
        talk = self.talk()
        talk.say('{"id":3,"subscribe":{"channel":"open:a"}}')
        assert talk.say(self.refresh("x", "open:a"))[-1] == "<close 3501 bad request>"

    @pytest.mark.parametrize(
        "token",
        [
            "nonsense",
            mint(SECRET, user="43", ttl=60, now=NOW, channel="shut:a"),
            mint(SECRET, user="42", ttl=60, now=NOW, channel="shut:b"),
        ],
        ids=["bad", "another user", "another channel"],
    )
    def test_what_does_not_fit_ends_the_connection(self, token: str) -> None:
        assert self.talk().say(self.refresh(token)) == ["<leave shut:a 0>", "<close 3500 invalid token>"]
