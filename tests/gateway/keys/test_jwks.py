"""Key sets: which keys count, and for what."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm

from tidings.gateway.keys.jwks import CANDIDATES, KEY_LIMIT, NotKeys, parse
from tidings.gateway.signatures import InvalidToken, Keys, KeySource, KeyUnknown, Reason, Signatures

pytestmark = pytest.mark.core

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
WEAK = rsa.generate_private_key(public_exponent=65537, key_size=1024)
P256, P384, P521 = (ec.generate_private_key(curve) for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()))
BITCOIN = ec.generate_private_key(ec.SECP256K1())
ED25519, ED448 = ed25519.Ed25519PrivateKey.generate(), ed448.Ed448PrivateKey.generate()
PAIRS = {
    "RS256": RSA,
    "RS384": RSA,
    "RS512": RSA,
    "ES256": P256,
    "ES384": P384,
    "ES512": P521,
    "EdDSA": ED25519,
}


def jwk(key: Any, kid: str = "k", **more: Any) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPrivateKey):
        found = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        found = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        found = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {name: value for name, value in {**found, "kid": kid, **more}.items() if value is not None}


def document(*keys: Any) -> bytes:
    return json.dumps({"keys": keys}).encode()


class Source:
    """A key set as a source of keys."""

    def __init__(self, *keys: Any) -> None:
        self._keys = parse(document(*keys))
        self.find = self._keys.find

    async def learn(self) -> None:
        raise AssertionError


def accepts(source: KeySource, key: Any, algorithm: str, kid: str | None = "k") -> bool:
    headers = None if kid is None else {"kid": kid}
    token = jwt.encode({"sub": "42"}, key, algorithm=algorithm, headers=headers)
    try:
        return bool(Signatures(Keys(), source=source).payload(token))
    except InvalidToken:
        return False


def usable(*keys: Any) -> int:
    return len(parse(document(*keys)))


@pytest.mark.parametrize(("algorithm", "key"), [*PAIRS.items(), ("EdDSA", ED448)])
def test_every_kind_of_key(algorithm: str, key: Any) -> None:
    """A published key checks the algorithms of its kind and curve."""
    assert accepts(Source(jwk(key)), key, algorithm)


@pytest.mark.parametrize("algorithm", PAIRS)
def test_no_key_checks_what_is_not_its_own(algorithm: str) -> None:
    """Not by any other key than the one of its name, of whatever kind that is."""
    others = [key for key in PAIRS.values() if key is not PAIRS[algorithm]]
    for other in others:
        assert not accepts(Source(jwk(other)), PAIRS[algorithm], algorithm)


def test_alg_and_use() -> None:
    """`alg` leaves one algorithm; what is for encryption, or not for verifying, is for nothing."""
    assert accepts(Source(jwk(RSA, alg="RS512")), RSA, "RS512")
    assert not accepts(Source(jwk(RSA, alg="RS512")), RSA, "RS256")
    assert usable(jwk(RSA, alg="PS256")) == usable(jwk(RSA, alg="ES256")) == usable(jwk(RSA, alg="HS256")) == 0
    assert usable(jwk(RSA, use="enc")) == usable(jwk(RSA, key_ops=["encrypt"])) == 0
    assert usable(jwk(RSA, use="sig", key_ops=["verify"])) == 1


def test_symmetric_keys_are_ignored() -> None:
    """Whoever reads the set could sign with one; nor does its secret become a secret of ours."""
    secret = "a secret that everybody can read: 32"
    found = HMACAlgorithm.to_jwk(secret.encode(), as_dict=True) | {"kid": "k"}
    assert usable(found) == 0
    assert not accepts(Source(found, jwk(RSA, "other")), secret, "HS256")


def test_the_confusion_of_algorithms() -> None:
    """The text of a published key is no secret for HS256, even beside a secret of the settings."""
    public = json.dumps(jwk(RSA)).encode()
    token = jwt.encode({"sub": "42"}, "x" * 32, algorithm="HS256", headers={"kid": "k"})
    forged = token.rpartition(".")[0].encode()
    proof = base64.urlsafe_b64encode(HMACAlgorithm(HMACAlgorithm.SHA256).sign(forged, public)).rstrip(b"=")
    with pytest.raises(InvalidToken) as raised:
        Signatures(Keys(hmac_secret="y" * 32), source=Source(jwk(RSA))).payload((forged + b"." + proof).decode())
    assert raised.value.reason is Reason.SIGNATURE


def test_weak_and_impossible_keys_are_ignored() -> None:
    """RSA below 2048 bits, curves that nobody signs tokens with, points that are on no curve, numbers that are none."""
    off = jwk(P256, x=jwk(ED25519)["x"])
    short = jwk(ED25519, x="AAAA")
    broken = [jwk(RSA, n="!"), jwk(RSA, e=""), jwk(RSA, n=None), jwk(RSA, e="AQ"), jwk(RSA, n=5)]
    assert usable(jwk(WEAK), jwk(P256, crv="P-384"), off, short, *broken) == 0
    assert usable(jwk(BITCOIN), {"kty": "EC"}, {"kty": "new"}, {}, 5, None, "key") == 0


def test_a_huge_exponent_or_modulus_costs_nothing() -> None:
    """It would cost us for every token."""
    huge = base64.urlsafe_b64encode(b"\xff" * 1025).rstrip(b"=").decode()
    assert usable(jwk(RSA, n=huge)) == usable(jwk(RSA, e=huge)) == 0


def test_a_private_key_in_the_set_is_ignored() -> None:
    """Whoever reads the set has it."""
    private = RSAAlgorithm.to_jwk(RSA, as_dict=True) | {"kid": "k"}
    assert usable({**private, "key_ops": ["verify"]}) == 0


def test_the_rest_of_a_set_counts() -> None:
    """What is not usable is counted, and the others are found by their names."""
    found = parse(document(jwk(WEAK, "weak"), jwk(RSA, "good"), {"kty": "new", "kid": "new"}))
    assert (found.kids, len(found), found.ignored) == ({"good"}, 1, 2)
    assert found.find("weak", "RS256") is None
    assert found.find("good", "ES256") == []


def test_unknown_and_unnamed() -> None:
    """A name that is not there may come later; a token without a name is checked with all that fit, to a bound."""
    source = Source(jwk(RSA, "a"), jwk(P256, "b"))
    assert accepts(source, P256, "ES256", None) and accepts(source, P256, "ES256", "b")
    assert not accepts(source, P256, "ES256", "a")
    with pytest.raises(KeyUnknown) as raised:
        Signatures(Keys(), source=source).payload(jwt.encode({}, P256, algorithm="ES256", headers={"kid": "c" * 99}))
    assert (raised.value.source, raised.value.detail) == (source, "c" * 64)
    crowd = parse(document(*(jwk(P256, f"{number}") for number in range(20))))
    assert len(crowd.find("", "ES256") or ()) == CANDIDATES


def test_the_same_name_twice() -> None:
    """Of an RSA and an EC key of one name, the algorithm tells which is meant (RFC 7517, section 4.5)."""
    source = Source(jwk(RSA), jwk(P256))
    assert accepts(source, RSA, "RS256") and accepts(source, P256, "ES256")


def test_a_set_of_too_many_keys() -> None:
    assert usable(*([jwk(ED25519)] * (KEY_LIMIT + 5))) == KEY_LIMIT


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"keys": 1}', b"<html>", b'{"keys":' + b"[" * 5000, b"\xff"])
def test_what_is_no_key_set(text: bytes) -> None:
    with pytest.raises(NotKeys):
        parse(text)


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner), max_leaves=5), st.data())
def test_any_members(value: object, data: st.DataObject) -> None:
    """Whatever a member is, the set is read."""
    name = data.draw(st.sampled_from(["kty", "kid", "use", "key_ops", "alg", "crv", "n", "e", "x", "y", "d"]))
    for key in (RSA, P256, ED25519):
        assert usable(jwk(key) | {name: value}) in (0, 1)
