"""Tokens whose keys are not known yet: the client waits for them; and what is announced of those that are refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec.structs import replace
from tests.gateway.session.talk import NOW, SECRET, Talk

from tidings import events
from tidings.errors import KeysUnavailable
from tidings.gateway.session.steps import Learn
from tidings.gateway.signatures import Check, checks_of
from tidings.gateway.tokens import TokenRules, Verifier
from tidings.wire.centrifuge import codes

pytestmark = pytest.mark.core

KEY = ec.generate_private_key(ec.SECP256R1())


class Source:
    """Knows no key until it has learnt it."""

    known = False

    def find(self, kid: str, algorithm: str) -> Sequence[Check] | None:
        return [checks_of(KEY.public_key())[algorithm]] if self.known and kid == "k" else None

    async def learn(self) -> None: ...


def talk(source: Source, **rules: Any) -> Talk:
    found = Talk(held=(Learn,), **rules)
    verifier = Verifier(TokenRules(hmac_secret=SECRET), source)
    found.session.state.policy = replace(found.session.state.policy, verifier=verifier)
    return found


def token(kid: str = "k", **claims: Any) -> str:
    return jwt.encode({"sub": "42", "exp": NOW + 60, **claims}, KEY, algorithm="ES256", headers={"kid": kid})


def said(method: str, **request: Any) -> str:
    return json.dumps({"id": 7, method: request})


TEMPORARY = '{"id":7,"error":{"code":100,"message":"internal server error","temporary":true}}'


def refusals(talk: Talk) -> list[tuple[str, str, str]]:
    return [(fact.kind, fact.reason, fact.detail) for fact in talk.facts if isinstance(fact, events.TokenRefused)]


def test_connecting_waits_for_the_key() -> None:
    """The client sees no more of it than that the answer takes its time; commands behind it wait as well."""
    source = Source()
    waiting = talk(source)
    assert waiting.say(said("connect", token=token())) == ["<ask Learn>"]
    assert waiting.say('{"id":8,"subscribe":{"channel":"open:a"}}') == []
    source.known = True
    connected, subscribed = waiting.answer(None)
    assert '"connect"' in connected and '"id":8,"subscribe"' in subscribed
    assert refusals(waiting) == []


def test_a_known_key_asks_nobody() -> None:
    source = Source()
    source.known = True
    assert '"connect"' in talk(source).say(said("connect", token=token()))[0]


def test_a_key_that_is_still_unknown() -> None:
    """Is nobody's: the client stays away, and the operator reads which key it was."""
    waiting = talk(Source())
    waiting.say(said("connect", token=token("forged")))
    assert waiting.answer(None) == ["<close 3500 invalid token>"]
    assert refusals(waiting) == [("connection", "unknown_key", "forged")]


def test_when_keys_cannot_be_fetched_the_client_comes_back() -> None:
    """The error is temporary, and none of those that end it."""
    waiting = talk(Source())
    waiting.say(said("connect", token=token()))
    assert waiting.answer(KeysUnavailable()) == [TEMPORARY]
    assert refusals(waiting) == [("connection", "keys_away", "")]


def test_a_token_that_runs_out_meanwhile() -> None:
    source = Source()
    waiting = talk(source, connect_timeout=300.0)
    waiting.say(said("connect", token=token()))
    source.known = True
    waiting.wait(61)
    assert '"code":109' in waiting.answer(None)[0]
    assert refusals(waiting) == [("connection", "expired", "")]


@pytest.mark.parametrize("answer", [None, KeysUnavailable()])
def test_refreshing(answer: object) -> None:
    """Waits likewise; an error leaves the connection as it was."""
    source = Source()
    waiting = talk(source).connect()
    assert waiting.say(said("refresh", token=token(exp=NOW + 500))) == ["<ask Learn>"]
    source.known = True
    (heard,) = waiting.answer(answer)
    assert heard == TEMPORARY if answer else '"refresh"' in heard
    assert waiting.session.state.expire_at == (NOW + 3600 if answer else NOW + 500)


@pytest.mark.parametrize("answer", [None, KeysUnavailable()])
def test_subscribing(answer: object) -> None:
    """The channel's place is taken while the key is asked for, and given back where there is none."""
    source = Source()
    waiting = talk(source).connect()
    assert waiting.say(said("subscribe", channel="$shut:a", token=token(channel="$shut:a"))) == ["<ask Learn>"]
    assert "$shut:a" in waiting.session.state.subscriptions
    source.known = True
    heard = waiting.answer(answer)
    assert heard == [TEMPORARY] if answer else '"subscribe"' in heard[0]
    assert waiting.session.state.is_subscribed("$shut:a") is not bool(answer)


def test_sub_refreshing() -> None:
    source = Source()
    waiting = talk(source).connect()
    own = jwt.encode({"sub": "42", "channel": "$shut:a", "exp": NOW + 60}, SECRET, algorithm="HS256")
    waiting.say(said("subscribe", channel="$shut:a", token=own))
    later = said("sub_refresh", channel="$shut:a", token=token(channel="$shut:a", exp=NOW + 500))
    assert waiting.say(later) == ["<ask Learn>"]
    source.known = True
    assert '"sub_refresh"' in waiting.answer(None)[0]
    assert waiting.session.state.subscriptions["$shut:a"].expire_at == NOW + 500


def test_a_subscription_that_ends_while_keys_are_asked_for() -> None:
    """Is not renewed."""
    source = Source()
    waiting = talk(source).connect()
    own = jwt.encode({"sub": "42", "channel": "$shut:a", "exp": NOW + 60}, SECRET, algorithm="HS256")
    waiting.say(said("subscribe", channel="$shut:a", token=own))
    waiting.say(said("sub_refresh", channel="$shut:a", token=token(channel="$shut:a", exp=NOW + 500)))
    source.known = True
    waiting.server(waiting.session.unsubscribe("$shut:a", codes.UNSUBSCRIBED_BY_SERVER, NOW))
    assert '"code":103' in waiting.answer(None)[0]


def test_a_client_that_leaves_meanwhile() -> None:
    """Is not let in any more."""
    waiting = talk(Source())
    waiting.say(said("connect", token=token()))
    waiting.server(waiting.session.lost(NOW))
    assert waiting.answer(None) == []


HMAC = {"algorithm": "HS256"}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("nonsense", ("malformed", "")),
        ("x" * 17000, ("too_long", "")),
        (jwt.encode({"sub": "42"}, "another secret of thirty-two characters", **HMAC), ("signature", "")),
        (jwt.encode({"sub": "42"}, None, algorithm="none"), ("algorithm", "none")),
        (jwt.encode({"sub": "42", "channel": "a"}, SECRET, **HMAC), ("purpose", "")),
        (jwt.encode({"sub": "42", "exp": "soon"}, SECRET, **HMAC), ("claims", "")),
        (jwt.encode({"sub": "42", "exp": NOW - 1}, SECRET, **HMAC), ("expired", "")),
        (jwt.encode({"sub": "42", "nbf": NOW + 9}, SECRET, **HMAC), ("not_yet", "")),
    ],
)
def test_the_reason_is_announced(given: str, reason: tuple[str, str]) -> None:
    """In words that stay; the client sees a code."""
    refused = Talk()
    refused.say(said("connect", token=given))
    assert refusals(refused) == [("connection", *reason)]


@pytest.mark.parametrize("claims", [{"sub": "43"}, {"channel": "$shut:b"}, {"client": "c2"}])
def test_a_token_of_somebody_else(claims: dict[str, str]) -> None:
    refused = Talk().connect()
    given = jwt.encode({"sub": "42", "channel": "$shut:a", **claims}, SECRET, **HMAC)
    assert refused.say(said("subscribe", channel="$shut:a", token=given)) == ["<close 3500 invalid token>"]
    assert refusals(refused) == [("subscription", "holder", "")]


def test_a_connection_token_of_somebody_else() -> None:
    refused = Talk().connect()
    given = jwt.encode({"sub": "43"}, SECRET, **HMAC)
    assert refused.say(said("refresh", token=given)) == ["<close 3500 invalid token>"]
    assert refusals(refused) == [("connection", "holder", "")]
