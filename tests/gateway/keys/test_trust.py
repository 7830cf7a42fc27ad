"""Who may sign what: issuers that cannot speak for each other, two kinds of tokens, and both replaced as a whole."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tidings.clock import ManualClock
from tidings.errors import SettingsError
from tidings.gateway.keys import Realm, Trust
from tidings.gateway.signatures import InvalidToken, Reason, sign
from tidings.gateway.tokens import TokenRules
from tidings.hooks import Hooks

pytestmark = pytest.mark.core

NOW = 1_700_000_000.0
OURS, THEIRS, OTHERS, NEXT = (f"{name} secret of at least thirty-two characters" for name in ("a", "b", "c", "d"))
KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

THEM = TokenRules(hmac_secret=THEIRS, issuer="https://them", audience="us")
SOMEBODY = TokenRules(ecdsa_public_key=PEM, issuer="https://somebody")


def token(secret: str, **claims: Any) -> str:
    return sign(json.dumps({"sub": "42", **claims}).encode(), secret)


def trust(connection: Realm, subscription: Realm | None = None) -> Trust:
    return Trust(connection, subscription, hooks=Hooks(), clock=ManualClock())


def why(trust: Trust, token: str, kind: str = "connection") -> str:
    """Why a token is refused; "" if it is not."""
    try:
        (trust.connection if kind == "connection" else trust.subscription)(token, NOW)
    except InvalidToken as error:
        return error.reason.value
    return ""


SEVERAL = trust(Realm(TokenRules(hmac_secret=OURS), (THEM, SOMEBODY)))


def test_each_issuer_has_its_own_keys() -> None:
    """A token is checked with the keys of who it says it is from, and with no others."""
    assert why(SEVERAL, token(THEIRS, iss="https://them", aud="us")) == ""
    assert why(SEVERAL, jwt.encode({"sub": "42", "iss": "https://somebody"}, KEY, algorithm="ES256")) == ""
    assert why(SEVERAL, token(OURS)) == why(SEVERAL, token(OURS, iss="anybody")) == ""


async def test_keys_that_were_fetched_outlast_a_change_of_their_time() -> None:
    """Of an endpoint that is still named, however long its keys are to be good; of another one nothing is kept."""

    def rules(url: str, ttl: float) -> Realm:
        return Realm(TokenRules(jwks_url=url, jwks_ttl=ttl))

    several = trust(rules("https://them/a", 3600.0))
    first = several.endpoints
    several.change(rules("https://them/a", 60.0))
    assert several.endpoints == first
    assert [endpoint.ttl for endpoint in first] == [60.0]
    several.change(rules("https://them/b", 60.0))
    assert several.endpoints != first
    await several.stop()


def test_nobody_speaks_for_another_issuer() -> None:
    """Neither one issuer for another, nor we for any, nor any for us."""
    assert why(SEVERAL, token(OURS, iss="https://them", aud="us")) == "signature"
    assert why(SEVERAL, token(THEIRS, iss="https://somebody")) == "algorithm"
    assert why(SEVERAL, jwt.encode({"iss": "https://them", "aud": "us"}, KEY, algorithm="ES256")) == "algorithm"
    assert why(SEVERAL, token(THEIRS)) == why(SEVERAL, token(THEIRS, iss="")) == "signature"
    assert why(SEVERAL, token(THEIRS, iss="https://them/")) == why(SEVERAL, token(THEIRS, iss="HTTPS://them")) != ""


def test_the_last_of_two_issuers_counts_everywhere() -> None:
    """A claim that is there twice cannot be one thing for the choice of the key and another for the check."""
    twice = sign(b'{"sub":"42","iss":"https://them","iss":"https://somebody"}', THEIRS)
    assert why(SEVERAL, twice) == "algorithm"
    turned = sign(b'{"sub":"42","aud":"us","iss":"https://somebody","iss":"https://them"}', THEIRS)
    assert why(SEVERAL, turned) == ""


def test_an_issuer_has_its_own_rules() -> None:
    """The audience of one is not asked of the others."""
    assert why(SEVERAL, token(THEIRS, iss="https://them")) == "audience"
    assert why(SEVERAL, token(THEIRS, iss="https://them", aud="others")) == "audience"


def test_without_keys_of_our_own_only_issuers_count() -> None:
    only = trust(Realm(TokenRules(), (THEM,)))
    assert why(only, token(THEIRS, iss="https://them", aud="us")) == ""
    assert why(only, token(THEIRS)) == why(only, token(THEIRS, iss="x")) == "issuer"


@pytest.mark.parametrize(
    "given", ["", "a.b", "a.b.c", "a.b.c.d", "é.b.c", "x" * 20000, "e30.WzFd.x", "e30.eyJpc3MiOjF9.x"]
)
def test_garbage(given: str) -> None:
    """Whatever comes is refused, before and after the issuer is looked for."""
    assert why(SEVERAL, given) in ("malformed", "too_long")


APART = trust(Realm(TokenRules(hmac_secret=OURS)), Realm(TokenRules(hmac_secret=OTHERS, previous_hmac_secret=NEXT)))


def test_keys_for_subscriptions_alone() -> None:
    """No key of connections signs for subscriptions, nor the other way round."""
    assert why(APART, token(OURS)) == ""
    assert why(APART, token(OTHERS, channel="news"), "subscription") == ""
    assert why(APART, token(NEXT, channel="news"), "subscription") == ""
    assert why(APART, token(OURS, channel="news"), "subscription") == "signature"
    assert why(APART, token(OTHERS)) == why(APART, token(NEXT)) == "signature"


def test_without_them_connection_keys_sign_both() -> None:
    """And then what a token is for is told by what it says."""
    assert why(SEVERAL, token(OURS, channel="news"), "subscription") == ""
    assert why(SEVERAL, token(OURS, channel="news")) == "purpose"


def test_a_change_counts_at_once() -> None:
    """What was signed with a key that is gone is refused from the next token on; with the previous secret it is not."""
    changing = trust(Realm(TokenRules(hmac_secret=OURS)))
    verify = changing
    assert why(verify, token(OURS)) == ""
    changing.change(Realm(TokenRules(hmac_secret=NEXT, previous_hmac_secret=OURS)))
    assert why(verify, token(OURS)) == why(verify, token(NEXT)) == ""
    changing.change(Realm(TokenRules(hmac_secret=NEXT)))
    assert (why(verify, token(OURS)), why(verify, token(NEXT))) == (Reason.SIGNATURE, "")
    changing.change(Realm(TokenRules(hmac_secret=NEXT)), Realm(TokenRules(hmac_secret=OTHERS)))
    assert why(verify, token(NEXT, channel="news"), "subscription") == Reason.SIGNATURE


def test_a_change_that_cannot_be_changes_nothing() -> None:
    changing = trust(Realm(TokenRules(hmac_secret=OURS)))
    with pytest.raises(SettingsError):
        changing.change(Realm(TokenRules(hmac_secret=NEXT)), Realm(TokenRules(rsa_public_key="none")))
    assert why(changing, token(OURS)) == why(changing, token(OURS, channel="news"), "subscription") == ""
    assert why(changing, token(NEXT)) == Reason.SIGNATURE
