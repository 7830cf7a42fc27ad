"""Claims under other names."""

from __future__ import annotations

import json

import pytest

from tidings.gateway.claims import ClaimNames, Renaming, is_claim
from tidings.gateway.signatures import InvalidToken, Reason, sign
from tidings.gateway.tokens import TokenRules, Verifier

pytestmark = pytest.mark.core

SECRET = "a secret of at least thirty-two characters"
NOW = 1_700_000_000.0


def standard(claims: object, **names: str) -> object:
    return json.loads(Renaming(ClaimNames(**names)).standard(json.dumps(claims).encode()))


def test_another_name() -> None:
    """The claim that is named counts, and the one whose place it takes does not."""
    assert standard({"sub": "session", "user_id": "42"}, user="user_id") == {"sub": "42"} | {"user_id": "42"}


@pytest.mark.parametrize("name", ["https://example.com/user", "realm.user", "a b", "user~1"])
def test_a_name_is_a_name(name: str) -> None:
    """Dots, slashes and tildes in it mean nothing, unless it begins with a slash."""
    found = standard({name: "42", "realm": {"user": "43"}}, user=name)
    assert isinstance(found, dict) and found["sub"] == "42"


@pytest.mark.parametrize(
    ("pointer", "user"),
    [("/realm/user", "43"), ("/a~1b", "44"), ("/a~0b", "45"), ("/realm/", "46"), ("/a~01b", "47")],
)
def test_a_path(pointer: str, user: str) -> None:
    """A slash in front makes it a JSON Pointer."""
    claims = {"realm": {"user": "43", "": "46"}, "a/b": "44", "a~b": "45", "a~1b": "47"}
    found = standard(claims, user=pointer)
    assert isinstance(found, dict) and found["sub"] == user


@pytest.mark.parametrize("claims", [{}, {"sub": "42"}, {"user": None}, {"user": True}, {"user": 4.5}, {"user": ["42"]}])
def test_without_the_user(claims: dict[str, object]) -> None:
    """Nobody becomes anonymous because the claim that names the user is not there, or is no name."""
    for name in ("user", "/user", "/user/id"):
        with pytest.raises(ValueError):
            standard(claims, user=name)


def test_a_number_is_its_digits() -> None:
    assert standard({"user_id": 42}, user="user_id") == {"sub": "42", "user_id": 42}


def test_a_claim_that_does_not_count() -> None:
    """An empty name takes nothing from the token."""
    assert standard({"sub": "1", "meta": 5, "channels": ["a"]}, meta="", channels="") == {"sub": "1"}


def test_what_can_be_a_name() -> None:
    assert all(map(is_claim, ["sub", "", "a~", "https://a/~b", "/a~0", "/", "/a//b"]))
    assert not any(map(is_claim, ["/a~", "/~2"]))


def test_in_a_token() -> None:
    """Info, meta and channels likewise; a token without the user's claim is refused for its claims."""
    names = ClaimNames(user="/ids/0x", info="profile", meta="https://us/meta", channels="/grants/channels")
    verifier = Verifier(TokenRules(hmac_secret=SECRET, claims=names))
    claims = {
        "sub": "someone else",
        "ids": {"0x": "42"},
        "profile": {"name": "Ann"},
        "info": "not this",
        "https://us/meta": 5,
        "grants": {"channels": ["news"]},
        "exp": NOW + 5,
    }
    grant = verifier.connection(sign(json.dumps(claims).encode(), SECRET), NOW)
    assert (grant.user, json.loads(grant.info), grant.meta) == ("42", {"name": "Ann"}, b"5")
    assert (list(grant.channels), grant.expire_at) == (["news"], NOW + 5)
    with pytest.raises(InvalidToken) as raised:
        verifier.connection(sign(b'{"sub":"42"}', SECRET), NOW)
    assert raised.value.reason is Reason.CLAIMS
