"""The connect command."""

from __future__ import annotations

import jwt
import pytest
from tests.gateway.session.talk import NOW, SECRET, Talk

from tidings.errors import Disconnect, InternalError, LimitExceeded, PermissionDenied
from tidings.gateway.grants import ConnectionGrant, SubscriptionGrant
from tidings.gateway.session.steps import Authenticate, Enter, Open
from tidings.gateway.tokens import mint
from tidings.model import StreamPosition

pytestmark = pytest.mark.core


def connect(**claims: object) -> str:
    token = jwt.encode(claims, SECRET, algorithm="HS256")
    return f'{{"id":1,"connect":{{"token":"{token}"}}}}'


def test_the_reply_tells_the_client_what_it_needs() -> None:
    """Its id, a version, how often it is pinged and that pongs are wanted, and the server's time."""
    assert Talk().say('{"id":1,"connect":{}}') == [
        '{"id":1,"connect":{"client":"c1","version":"1.0","ping":25,"pong":true,"time":1000000000000}}'
    ]


def test_without_a_token_nobody_connects() -> None:
    """Unless the settings let anonymous clients in."""
    assert Talk(anonymous=False).say('{"id":1,"connect":{}}') == ["<close 3501 bad request>"]


def test_insecure_lets_everybody_in() -> None:
    assert '"client":"c1"' in Talk(anonymous=False, insecure=True).say('{"id":1,"connect":{}}')[0]


@pytest.mark.parametrize(
    "token",
    [
        "nonsense",
        "a.b.c",
        jwt.encode({"sub": "42"}, "another secret of thirty-two characters", algorithm="HS256"),
        jwt.encode({"sub": "42"}, None, algorithm="none"),
        jwt.encode({"sub": "42", "channel": "open:a"}, SECRET, algorithm="HS256"),
        jwt.encode({"sub": "42", "exp": "soon"}, SECRET, algorithm="HS256"),
    ],
    ids=["garbage", "not base64", "forged", "unsigned", "for a subscription", "wrong type"],
)
def test_a_bad_token_ends_the_connection(token: str) -> None:
    talk = Talk()
    assert talk.say(f'{{"id":1,"connect":{{"token":"{token}"}}}}') == ["<close 3500 invalid token>"]


@pytest.mark.parametrize(
    ("claims", "message"),
    [({"exp": NOW - 1}, "token expired"), ({"nbf": NOW + 9}, "token not valid yet")],
    ids=["too old", "too early"],
)
def test_an_expired_token_is_told_apart(claims: dict[str, object], message: str) -> None:
    """The client then fetches a new one."""
    assert Talk().say(connect(sub="42", **claims)) == [f'{{"id":1,"error":{{"code":109,"message":"{message}"}}}}']


def test_the_token_says_who_it_is() -> None:
    talk = Talk()
    talk.say(connect(sub="42", info={"name": "Ada"}, meta={"secret": 1}))
    assert talk.session.state.info().user == "42"
    assert talk.session.state.conn_info == b'{"name":"Ada"}'
    assert talk.session.state.meta == b'{"secret":1}'


def test_a_user_has_a_personal_channel() -> None:
    talk = Talk(personal_channel=True)
    assert '"subs":{"#42":{}}' in talk.say(connect(sub="42"))[0]
    assert "subs" not in Talk(personal_channel=True).say('{"id":1,"connect":{}}')[0]


def test_the_token_subscribes_to_channels() -> None:
    talk = Talk()
    reply = talk.say(connect(sub="42", channels=["open:a"], subs={"sure:b": {"data": {"x": 1}}}))[0]
    assert '"open:a":{}' in reply
    assert '"sure:b":{"recoverable":true,"epoch":"e","offset":7,"positioned":true,"data":{"x":1}}' in reply


def test_server_side_subscriptions_recover() -> None:
    """The client's `subs` say where it was, and subscribe to nothing by themselves."""
    talk = Talk()
    token = jwt.encode({"sub": "42", "channels": ["sure:a"]}, SECRET, algorithm="HS256")
    position = '{"recover":true,"offset":5,"epoch":"e"}'
    reply = talk.say(f'{{"id":1,"connect":{{"token":"{token}","subs":{{"sure:a":{position},"sure:b":{position}}}}}}}')[
        0
    ]
    assert talk.asked_for(Open).wishes[0].terms.since == StreamPosition(5, "e")
    assert '"sure:a":{"recoverable":true,"epoch":"e","recovered":true,"offset":5' in reply
    assert "sure:b" not in reply


def test_too_many_channels_end_the_connection() -> None:
    assert Talk(channel_limit=1).say(connect(sub="42", channels=["open:a", "open:b"])) == ["<close 3505 channel limit>"]


def test_an_unknown_namespace_is_told() -> None:
    assert Talk().say(connect(sub="42", channels=["nowhere:a"])) == [
        '{"id":1,"error":{"code":102,"message":"unknown channel"}}'
    ]


def test_too_many_connections_of_one_user() -> None:
    talk = Talk()
    talk.answers[Enter] = lambda _: LimitExceeded()
    assert talk.say(connect(sub="42")) == ["<close 3504 connection limit>"]


def test_a_broker_that_is_away_is_a_temporary_error() -> None:
    talk = Talk()
    talk.answers[Open] = lambda _: InternalError()
    assert talk.say(connect(sub="42", channels=["open:a"])) == [
        '{"id":1,"error":{"code":100,"message":"internal server error","temporary":true}}'
    ]


class TestApplication:
    def test_it_decides_who_somebody_is(self) -> None:
        """On the way it sees the request, and what the token says."""
        talk = Talk("connect")
        talk.answers[Authenticate] = lambda _: ConnectionGrant(
            user="7", data=b'{"hi":1}', channels={"open:a": SubscriptionGrant()}
        )
        reply = talk.say('{"id":1,"connect":{"data":{"cookie":"x"}}}')[0]
        assert '"data":{"hi":1},"subs":{"open:a":{}}' in reply
        assert bytes(talk.asked_for(Authenticate).request.data) == b'{"cookie":"x"}'
        assert talk.session.state.user == "7"

    def test_it_hears_whom_the_token_names(self) -> None:
        talk = Talk("connect", held=(Authenticate,))
        talk.say(connect(sub="42"))
        assert talk.session.state.user == "42"
        assert talk.asked_for(Authenticate).grant.user == "42"

    def test_it_lets_nobody_in(self) -> None:
        talk = Talk("connect")
        talk.answers[Authenticate] = lambda _: None
        assert talk.say('{"id":1,"connect":{}}') == ["<close 3501 bad request>"]

    def test_it_refuses(self) -> None:
        talk = Talk("connect")
        talk.answers[Authenticate] = lambda _: PermissionDenied()
        assert talk.say('{"id":1,"connect":{}}') == ['{"id":1,"error":{"code":103,"message":"permission denied"}}']

    def test_it_sends_away(self) -> None:
        talk = Talk("connect")
        talk.answers[Authenticate] = lambda _: Disconnect(4501, "banned")
        assert talk.say('{"id":1,"connect":{}}') == ["<close 4501 banned>"]

    def test_its_expiry_allows_no_grace(self) -> None:
        """The client cannot renew what it did not bring, and is not told to."""
        talk = Talk("connect", ping_interval=0.0)
        talk.answers[Authenticate] = lambda _: ConnectionGrant(user="7", expire_at=NOW + 60)
        assert "ttl" not in talk.say('{"id":1,"connect":{}}')[0]
        assert talk.wait(60.1) == ["<close 3005 connection expired>"]


def test_an_expiry_far_away_is_told_as_far_as_it_can_be() -> None:
    """The protocol has 32 bits for it."""
    assert '"ttl":4294967295' in Talk().say(connect(sub="42", exp=1e12))[0]


class TestRefresh:
    def test_a_new_token_prolongs_the_connection(self) -> None:
        talk = Talk(ping_interval=0.0).connect()
        token = mint(SECRET, user="42", ttl=7200, now=NOW)
        assert talk.say(f'{{"id":2,"refresh":{{"token":"{token}"}}}}') == [
            '{"id":2,"refresh":{"client":"c1","version":"1.0","expires":true,"ttl":7200}}'
        ]
        assert talk.wait(7200) == []

    def test_a_token_without_expiry_ends_the_hurry(self) -> None:
        talk = Talk(ping_interval=0.0).connect()
        token = jwt.encode({"sub": "42"}, SECRET, algorithm="HS256")
        assert talk.say(f'{{"id":2,"refresh":{{"token":"{token}"}}}}') == [
            '{"id":2,"refresh":{"client":"c1","version":"1.0"}}'
        ]
        assert talk.wait(1e6) == []

    @pytest.mark.parametrize(
        ("token", "end"),
        [
            pytest.param("", "3501 bad request", id="none"),
            pytest.param("nonsense", "3500 invalid token", id="bad"),
            pytest.param(mint(SECRET, user="43", ttl=60, now=NOW), "3500 invalid token", id="of another user"),
            pytest.param(mint(SECRET, user="42", ttl=-60, now=NOW), "3005 connection expired", id="expired"),
            pytest.param(
                jwt.encode({"sub": "42", "channels": ["open:a"]}, SECRET, algorithm="HS256"),
                "3010 insufficient state",
                id="with other channels",
            ),
        ],
    )
    def test_what_does_not_fit_ends_the_connection(self, token: str, end: str) -> None:
        talk = Talk().connect()
        assert talk.say(f'{{"id":2,"refresh":{{"token":"{token}"}}}}') == [f"<close {end}>"]
