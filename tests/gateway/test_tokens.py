"""Tokens: which claims become which grant, and what is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.channels.options import Override
from tidings.errors import SettingsError, TokenExpired
from tidings.gateway.claims import ClaimNames
from tidings.gateway.grants import ConnectionGrant, SubscriptionGrant
from tidings.gateway.signatures import sign
from tidings.gateway.tokens import InvalidToken, SubscriptionClaims, TokenRules, Verifier, mint

pytestmark = pytest.mark.core

NOW = 1_700_000_000.0
SECRET = "a secret of at least thirty-two characters"
VERIFIER = Verifier(TokenRules(hmac_secret=SECRET))


def signed(claims: dict[str, Any]) -> str:
    return sign(json.dumps(claims, separators=(",", ":")).encode(), SECRET)


def connection(**claims: Any) -> ConnectionGrant:
    return VERIFIER.connection(signed(claims), NOW)


def subscription(**claims: Any) -> SubscriptionClaims:
    return VERIFIER.subscription(signed({"channel": "news", **claims}), NOW)


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# A connection token.


def test_a_user() -> None:
    """The subject is the user; a token that says nothing else is for ever and carries nothing."""
    assert connection(sub="42") == ConnectionGrant(user="42")


@pytest.mark.parametrize("claims", [{}, {"sub": ""}])
def test_anonymous(claims: dict[str, str]) -> None:
    """Without a subject, or with an empty one, the user is anonymous."""
    assert connection(**claims) == ConnectionGrant(user="")


def test_everything_a_connection_token_says() -> None:
    """Info and meta stay JSON as it came; each server-side channel has a grant of its own."""
    token = sign(
        b"""{
            "sub": "42", "exp": 1700000060, "iat": 1699999990, "nbf": 1699999990, "jti": "1", "aud": "x", "iss": "y",
            "info": {"name":  "\xc3\x85sa"}, "meta": [1, 2],
            "channels": ["news", "deals"],
            "subs": {
                "deals": {"info": {"vip":true}, "data": "hi", "override": {"presence": {"value": true}}},
                "jobs": {}
            }
        }""",
        SECRET,
    )
    assert VERIFIER.connection(token, NOW) == ConnectionGrant(
        user="42",
        info='{"name":  "Åsa"}'.encode(),
        expire_at=1_700_000_060.0,
        channels={
            "news": SubscriptionGrant(),
            "deals": SubscriptionGrant(info=b'{"vip":true}', data=b'"hi"', override=Override(presence=True)),
            "jobs": SubscriptionGrant(),
        },
        meta=b"[1, 2]",
        renewable=True,
    )


def test_base64_wins() -> None:
    """The base64 twins of info and data are decoded and win over the plain ones."""
    grant = connection(
        sub="42",
        info={"plain": 1},
        b64info=base64_of("binary"),
        subs={"news": {"info": 1, "b64info": base64_of("i"), "data": 2, "b64data": base64_of("d")}},
    )
    assert grant.info == b"binary"
    assert grant.channels == {"news": SubscriptionGrant(info=b"i", data=b"d")}


@pytest.mark.parametrize(
    ("claims", "expire_at", "renewable"),
    [
        ({}, 0.0, False),
        ({"exp": NOW + 60}, NOW + 60, True),
        ({"exp": NOW + 0.5}, NOW + 0.5, True),
        ({"exp": NOW + 60, "expire_at": NOW + 90}, NOW + 90, True),
        ({"exp": NOW + 60, "expire_at": 0}, 0.0, False),
        ({"expire_at": NOW + 90.5}, NOW + 90.5, True),
    ],
)
def test_when_a_connection_expires(claims: dict[str, float], expire_at: float, renewable: bool) -> None:
    """A connection expires with its token unless `expire_at` says otherwise, 0 for never; then it can be renewed."""
    grant = connection(sub="42", **claims)
    assert (grant.expire_at, grant.renewable) == (expire_at, renewable)


@pytest.mark.parametrize("channel", ["news", "", None, 1])
def test_a_subscription_token_opens_no_connection(channel: object) -> None:
    """A token with a channel, of whatever kind, is not a connection token."""
    with pytest.raises(InvalidToken):
        connection(sub="42", channel=channel)


# A subscription token.


def test_a_channel() -> None:
    """A subscription token names a channel; its grant can be renewed by the client."""
    assert subscription() == SubscriptionClaims("news", "", "", SubscriptionGrant(renewable=True))


def test_everything_a_subscription_token_says() -> None:
    """User and client are handed on to be compared; the rest is the grant."""
    claims = subscription(
        sub="42",
        client="c1",
        exp=NOW + 60,
        info={"a": 1},
        data=[1],
        override={
            "presence": {"value": True},
            "join_leave": {"value": False},
            "force_recovery": {"value": True},
            "force_positioning": {"value": False},
            "force_push_join_leave": {"value": True},
        },
    )
    assert claims == SubscriptionClaims(
        channel="news",
        user="42",
        client="c1",
        grant=SubscriptionGrant(
            info=b'{"a":1}',
            data=b"[1]",
            expire_at=NOW + 60,
            override=Override(
                presence=True,
                join_leave=False,
                force_recovery=True,
                force_positioning=False,
                force_push_join_leave=True,
            ),
            renewable=True,
        ),
    )


def test_base64_wins_in_a_subscription_token() -> None:
    """Here, too, the base64 twins win."""
    grant = subscription(info=1, b64info=base64_of("i"), data=2, b64data=base64_of("d")).grant
    assert (grant.info, grant.data) == (b"i", b"d")


@pytest.mark.parametrize(
    ("claims", "expire_at"),
    [
        ({}, 0.0),
        ({"exp": NOW + 60}, NOW + 60),
        ({"exp": NOW + 60, "expire_at": 0}, 0.0),
        ({"exp": NOW + 60, "expire_at": NOW + 90}, NOW + 90),
    ],
)
def test_when_a_subscription_expires(claims: dict[str, float], expire_at: float) -> None:
    """A subscription expires as a connection does, and stays renewable in any case."""
    grant = subscription(**claims).grant
    assert (grant.expire_at, grant.renewable) == (expire_at, True)


@pytest.mark.parametrize("claims", [{}, {"channel": ""}, {"channel": None}, {"channel": 1}, {"sub": "42"}])
def test_a_connection_token_opens_no_channel(claims: dict[str, object]) -> None:
    """A token without the name of a channel is not a subscription token."""
    with pytest.raises(InvalidToken):
        VERIFIER.subscription(signed(claims), NOW)


# Time.


@pytest.mark.parametrize("verify", [connection, subscription])
@pytest.mark.parametrize("claims", [{"exp": NOW}, {"exp": NOW - 0.001}, {"exp": 0}, {"exp": -1}, {"nbf": NOW + 0.001}])
def test_not_now(verify: Any, claims: dict[str, float]) -> None:
    """A token is refused from the very moment of its exp on, and before its nbf."""
    with pytest.raises(TokenExpired):
        verify(sub="42", **claims)


@pytest.mark.parametrize("verify", [connection, subscription])
@pytest.mark.parametrize(
    "claims", [{"exp": NOW + 0.001}, {"nbf": NOW}, {"iat": NOW + 9}, {"nbf": NOW - 1, "exp": NOW + 1}]
)
def test_just_now(verify: Any, claims: dict[str, float]) -> None:
    """It is good until just before its exp, and from the very moment of its nbf on. Its iat
    counts for nothing: the clocks of two machines differ (RFC 7519, section 4.1.6 asks no more of it)."""
    verify(sub="42", **claims)


def test_time_is_the_argument() -> None:
    """The same token is good or expired by the time that is given, not by any clock."""
    token = signed({"sub": "42", "exp": 1000})
    assert VERIFIER.connection(token, 999.0).user == "42"
    with pytest.raises(TokenExpired):
        VERIFIER.connection(token, 1000.0)


# Audience and issuer.


@pytest.mark.parametrize("aud", ["us", ["us"], ["them", "us"]])
def test_our_audience(aud: object) -> None:
    """The audience may be one of several."""
    verifier = Verifier(TokenRules(hmac_secret=SECRET, audience="us"))
    assert verifier.connection(signed({"sub": "42", "aud": aud}), NOW).user == "42"


@pytest.mark.parametrize("claims", [{}, {"aud": "them"}, {"aud": "us too"}, {"aud": ["them"]}, {"aud": []}])
def test_another_audience(claims: dict[str, object]) -> None:
    """A token for others, or for nobody in particular, is refused where an audience is configured."""
    verifier = Verifier(TokenRules(hmac_secret=SECRET, audience="us"))
    with pytest.raises(InvalidToken):
        verifier.connection(signed({"sub": "42", **claims}), NOW)


@pytest.mark.parametrize("claims", [{}, {"iss": "them"}, {"iss": "u"}, {"iss": ""}])
def test_another_issuer(claims: dict[str, object]) -> None:
    """A token by others, or by nobody in particular, is refused where an issuer is configured; by the issuer, taken."""
    verifier = Verifier(TokenRules(hmac_secret=SECRET, issuer="us"))
    assert verifier.subscription(signed({"channel": "news", "iss": "us"}), NOW).channel == "news"
    with pytest.raises(InvalidToken):
        verifier.subscription(signed({"channel": "news", **claims}), NOW)


def test_neither_is_asked_for_by_default() -> None:
    """Without a configured audience and issuer, a token may name any."""
    assert connection(sub="42", aud=["them"], iss="them").user == "42"


def test_a_forged_token_is_not_an_expired_one() -> None:
    """What a new token would not mend is told first: a wrong audience or type wins over a passed exp."""
    verifier = Verifier(TokenRules(hmac_secret=SECRET, audience="us"))
    with pytest.raises(InvalidToken):
        verifier.connection(signed({"sub": "42", "aud": "them", "exp": NOW - 1}), NOW)
    with pytest.raises(InvalidToken):
        connection(sub=42, exp=NOW - 1)
    with pytest.raises(InvalidToken):
        VERIFIER.connection(mint(SECRET[::-1], user="42", ttl=-1, now=NOW), NOW)


# Wrong types.

WRONG_ANYWHERE = [
    {"sub": 42},
    {"sub": None},
    {"exp": str(NOW + 60)},
    {"exp": True},
    {"exp": None},
    {"exp": [NOW]},
    {"nbf": "soon"},
    {"iat": False},
    {"aud": 1},
    {"aud": [1]},
    {"aud": None},
    {"iss": 1},
    {"b64info": "not base64!"},
    {"b64info": "YQ"},
    {"b64info": 1},
    {"expire_at": -1},
    {"expire_at": "never"},
    {"expire_at": None},
]


@pytest.mark.parametrize("claims", WRONG_ANYWHERE)
@pytest.mark.parametrize("verify", [connection, subscription])
def test_wrong_types(verify: Any, claims: dict[str, object]) -> None:
    """A claim of the wrong type makes a token invalid; above all a null expiry does not mean "never"."""
    with pytest.raises(InvalidToken):
        verify(**{"sub": "42", **claims})


@pytest.mark.parametrize(
    "claims",
    [
        {"channels": "news"},
        {"channels": [1]},
        {"channels": {"news": {}}},
        {"subs": ["news"]},
        {"subs": {"news": 1}},
        {"subs": {"news": {"b64data": "%"}}},
        {"subs": {"news": {"b64info": "%"}}},
        {"subs": {"news": {"override": {"presence": True}}}},
    ],
)
def test_wrong_types_in_a_connection_token(claims: dict[str, object]) -> None:
    """The same for what only a connection token has."""
    with pytest.raises(InvalidToken):
        connection(sub="42", **claims)


@pytest.mark.parametrize(
    "claims",
    [
        {"client": 1},
        {"b64data": "%"},
        {"override": []},
        {"override": {"presence": 1}},
        {"override": {"presence": {}}},
        {"override": {"force_recovery": {"value": "yes"}}},
    ],
)
def test_wrong_types_in_a_subscription_token(claims: dict[str, object]) -> None:
    """The same for what only a subscription token has."""
    with pytest.raises(InvalidToken):
        subscription(**claims)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b'"42"',
        b'{"sub":"42"',
        b'{"sub":"42"} {}',
        b'{"exp":NaN}',
        b'{"exp":1e999}',
        b'{"info":"\xff"}',
        b'{"sub":"\xff"}',
        b'{"info":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_claims_that_are_not_json(payload: bytes) -> None:
    """A genuine signature around anything but one JSON object in UTF-8 is refused."""
    for verify in (VERIFIER.connection, VERIFIER.subscription):
        with pytest.raises(InvalidToken):
            verify(sign(payload, SECRET), NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
REGISTERED = st.sampled_from(["sub", "exp", "nbf", "iat", "aud", "iss"])
OURS = st.sampled_from(["info", "b64info", "channels", "subs", "meta", "expire_at", "channel", "data", "override"])


@given(st.dictionaries(REGISTERED | OURS, JSON), st.floats(allow_nan=False))
def test_any_claims(claims: dict[str, object], now: float) -> None:
    """Whatever a genuine token claims is a grant, `InvalidToken` or `TokenExpired`, and nothing else."""
    token = sign(json.dumps(claims).encode(), SECRET)
    for verify in (VERIFIER.connection, VERIFIER.subscription):
        try:
            verify(token, now)
        except (InvalidToken, TokenExpired):
            continue


@given(st.text() | st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode()))
def test_garbage(token: str) -> None:
    """Whatever arrives as a token raises `InvalidToken`."""
    for verify in (VERIFIER.connection, VERIFIER.subscription):
        with pytest.raises(InvalidToken):
            verify(token, NOW)


# Minting.


def test_minted_connection_token() -> None:
    """A minted token is good until its time to live is over."""
    token = mint(SECRET, user="42", ttl=60, now=NOW, info=b'{"name":"Ann"}')
    assert VERIFIER.connection(token, NOW) == ConnectionGrant(
        user="42", info=b'{"name":"Ann"}', expire_at=NOW + 60, renewable=True
    )
    with pytest.raises(TokenExpired):
        VERIFIER.connection(token, NOW + 60)


def test_minted_subscription_token() -> None:
    """With a channel it is a subscription token, and opens no connection."""
    token = mint(SECRET, user="42", ttl=60, now=NOW, channel="news")
    assert VERIFIER.subscription(token, NOW) == SubscriptionClaims(
        "news", "42", "", SubscriptionGrant(expire_at=NOW + 60, renewable=True)
    )
    with pytest.raises(InvalidToken):
        VERIFIER.connection(token, NOW)


def test_minted_as_an_issuer_would() -> None:
    """For its audience, in its name, and with its names for the claims, however deep they stand."""
    claims = ClaimNames(user="/realm/id", info="https://example.com/info")
    rules = TokenRules(hmac_secret=SECRET, audience="us", issuer="them", claims=claims)
    token = mint(SECRET, user="42", ttl=60, now=NOW, info=b'{"name":"Ann"}', rules=rules)
    grant = Verifier(rules).connection(token, NOW)
    assert (grant.user, grant.info) == ("42", b'{"name":"Ann"}')


def test_minted_for_ever() -> None:
    """Without a time to live it never expires."""
    assert VERIFIER.connection(mint(SECRET, user="42", ttl=0, now=NOW), 1e12).expire_at == 0.0


def test_minting_needs_a_secret() -> None:
    """There is no token without a secret."""
    with pytest.raises(SettingsError):
        mint("", user="42", ttl=60, now=NOW)


def test_rules_hide_their_secrets() -> None:
    """The text of the rules says what is set and shows none of it."""
    assert repr(TokenRules(hmac_secret=SECRET, audience="us")) == "TokenRules(hmac_secret, audience)"
