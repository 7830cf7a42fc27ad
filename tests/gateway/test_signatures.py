"""Which signatures count: every algorithm with its own key, and none with another's."""

from __future__ import annotations

import base64
import json
import warnings
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import example, given
from hypothesis import strategies as st
from jwt.algorithms import HMACAlgorithm

from tidings.errors import SettingsError
from tidings.gateway.signatures import LENGTH_LIMIT, InvalidToken, Keys, Signatures, sign

pytestmark = pytest.mark.core

SECRET = "a secret of at least sixty-four characters, as HS512 would have it."
CLAIMS = {"sub": "42", "info": {"name": "Ann"}}


def public(key: Any) -> str:
    pem: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


def private(key: Any) -> str:
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode()


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
P256, P384, P521 = (ec.generate_private_key(curve) for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()))
ED25519, ED448 = ed25519.Ed25519PrivateKey.generate(), ed448.Ed448PrivateKey.generate()

HMAC_KEYS = Keys(hmac_secret=SECRET)
RSA_KEYS = Keys(rsa_public_key=public(RSA))
P256_KEYS, P384_KEYS, P521_KEYS = (Keys(ecdsa_public_key=public(key)) for key in (P256, P384, P521))
ED25519_KEYS, ED448_KEYS = (Keys(eddsa_public_key=public(key)) for key in (ED25519, ED448))

PAIRS: list[tuple[str, Any, Keys]] = [
    ("HS256", SECRET, HMAC_KEYS),
    ("HS384", SECRET, HMAC_KEYS),
    ("HS512", SECRET, HMAC_KEYS),
    ("RS256", RSA, RSA_KEYS),
    ("RS384", RSA, RSA_KEYS),
    ("RS512", RSA, RSA_KEYS),
    ("ES256", P256, P256_KEYS),
    ("ES384", P384, P384_KEYS),
    ("ES512", P521, P521_KEYS),
    ("EdDSA", ED25519, ED25519_KEYS),
    ("EdDSA", ED448, ED448_KEYS),
]
FAMILIES = [HMAC_KEYS, RSA_KEYS, P256_KEYS, P384_KEYS, P521_KEYS, ED25519_KEYS, ED448_KEYS]
EVERY_KEY = Keys(
    hmac_secret=SECRET,
    rsa_public_key=public(RSA),
    ecdsa_public_key=public(P256),
    eddsa_public_key=public(ED25519),
)


def segment(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def hmac_signed(header: object, secret: bytes, payload: object = CLAIMS) -> str:
    """A token signed with HMAC-SHA-256 by somebody who does not ask what the secret is."""
    signed = f"{segment(header)}.{segment(payload)}"
    return f"{signed}.{segment(HMACAlgorithm(HMACAlgorithm.SHA256).sign(signed.encode(), secret))}"


def refused(keys: Keys, token: str) -> bool:
    try:
        Signatures(keys).payload(token)
    except InvalidToken:
        return True
    return False


# What counts.


@pytest.mark.parametrize(("algorithm", "key", "keys"), PAIRS)
def test_signed_with_the_configured_key(algorithm: str, key: Any, keys: Keys) -> None:
    """A token signed by PyJWT with any of the algorithms is taken, when its key is configured."""
    assert json.loads(Signatures(keys).payload(jwt.encode(CLAIMS, key, algorithm))) == CLAIMS


def test_all_keys_at_once() -> None:
    """The families live side by side: each token finds its own key."""
    signatures = Signatures(EVERY_KEY)
    for algorithm, key in (("HS256", SECRET), ("RS256", RSA), ("ES256", P256), ("EdDSA", ED25519)):
        assert json.loads(signatures.payload(jwt.encode(CLAIMS, key, algorithm))) == CLAIMS


@pytest.mark.parametrize("secret", [SECRET, SECRET[::-1]])
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_the_previous_secret_counts_too(secret: str, algorithm: str) -> None:
    """While a secret is being replaced, tokens of both are taken."""
    keys = Keys(hmac_secret=SECRET, previous_hmac_secret=SECRET[::-1])
    assert json.loads(Signatures(keys).payload(jwt.encode(CLAIMS, secret, algorithm))) == CLAIMS


def test_signing() -> None:
    """What we sign is an HS256 token to anybody else."""
    token = sign(b'{"sub":"42"}', SECRET)
    assert jwt.decode(token, SECRET, algorithms=["HS256"]) == {"sub": "42"}
    assert Signatures(HMAC_KEYS).payload(token) == b'{"sub":"42"}'


def test_a_short_secret_works() -> None:
    """Short secrets are the operator's choice; they are taken without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Signatures(Keys(hmac_secret="s")).payload(sign(b"{}", "s")) == b"{}"


def test_signing_needs_a_secret() -> None:
    """Nothing is signed with an empty secret, which everybody knows."""
    with pytest.raises(SettingsError) as raised:
        sign(b"{}", "")
    assert raised.value.message == "There is no hmac_secret to sign with; set one."


# What does not.


@pytest.mark.parametrize(("algorithm", "key", "own"), PAIRS)
def test_any_other_key(algorithm: str, key: Any, own: Keys) -> None:
    """Without its own key an algorithm does not exist, whatever other key is configured."""
    token = jwt.encode(CLAIMS, key, algorithm)
    others = [keys for keys in FAMILIES if keys is not own]
    assert all(refused(keys, token) for keys in [*others, Keys()])


@pytest.mark.parametrize(("algorithm", "key", "keys"), PAIRS)
def test_forged(algorithm: str, key: Any, keys: Keys) -> None:
    """Changing any of the three parts, or leaving the signature away, makes a token invalid."""
    header, payload, signature = jwt.encode(CLAIMS, key, algorithm).split(".")
    assert refused(keys, f"{header}.{segment({'sub': '43'})}.{signature}")
    assert refused(keys, f"{segment({'typ': 'jwt', 'alg': algorithm})}.{payload}.{signature}")
    assert refused(keys, f"{header}.{payload}.{signature[4:]}{signature[:4]}")
    assert refused(keys, f"{header}.{payload}.{signature[:-4]}")
    assert refused(keys, f"{header}.{payload}.")


def test_somebody_elses_key_of_the_same_kind() -> None:
    """Another key of the same family and algorithm does not count."""
    assert refused(HMAC_KEYS, jwt.encode(CLAIMS, SECRET[::-1], "HS256"))
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert refused(RSA_KEYS, jwt.encode(CLAIMS, stranger, "RS256"))
    assert refused(P256_KEYS, jwt.encode(CLAIMS, ec.generate_private_key(ec.SECP256R1()), "ES256"))
    assert refused(ED25519_KEYS, jwt.encode(CLAIMS, ed25519.Ed25519PrivateKey.generate(), "EdDSA"))


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("keys", [*FAMILIES, EVERY_KEY, Keys()])
def test_no_algorithm(name: str, keys: Keys) -> None:
    """An unsecured token (RFC 7519, section 6) is refused, however "none" is written."""
    assert refused(keys, f"{segment({'alg': name})}.{segment(CLAIMS)}.")
    assert refused(keys, hmac_signed({"alg": name}, SECRET.encode()))


@pytest.mark.parametrize("key", [RSA, P256, P384, P521, ED25519, ED448])
@pytest.mark.parametrize("form", [Encoding.PEM, Encoding.DER])
def test_public_key_as_hmac_secret(key: Any, form: Encoding) -> None:
    """Who signs with HS256 and the text of the public key, which everybody knows, gets nowhere."""
    everybody_knows = key.public_key().public_bytes(form, PublicFormat.SubjectPublicKeyInfo)
    token = hmac_signed({"alg": "HS256"}, everybody_knows)
    assert all(refused(keys, token) for keys in [*FAMILIES, EVERY_KEY])


@pytest.mark.parametrize("keys", [*FAMILIES, Keys(), Keys(previous_hmac_secret=SECRET)])
def test_empty_secret(keys: Keys) -> None:
    """An empty secret is no secret: what is signed with it is refused, also where none is configured."""
    assert refused(keys, hmac_signed({"alg": "HS256"}, b""))


def test_rsa_signature_under_another_algorithms_name() -> None:
    """A genuine RSA signature does not count under the name of another hash, family or padding."""
    signed = f"{segment({'alg': 'ES256'})}.{segment(CLAIMS)}"
    signature = RSA.sign(signed.encode(), jwt.algorithms.padding.PKCS1v15(), jwt.algorithms.hashes.SHA256())
    assert refused(EVERY_KEY, f"{signed}.{segment(signature)}")
    assert refused(RSA_KEYS, jwt.encode(CLAIMS, RSA, "PS256"))
    _, payload, signature_384 = jwt.encode(CLAIMS, RSA, "RS384").split(".")
    assert refused(RSA_KEYS, f"{segment({'alg': 'RS256', 'typ': 'JWT'})}.{payload}.{signature_384}")


def test_key_in_the_header() -> None:
    """A token cannot bring the key to check it with (RFC 7515, section 4.1.3): `jwk` is not looked at."""
    secret = base64.urlsafe_b64encode(b"brought along").decode()
    assert refused(EVERY_KEY, hmac_signed({"alg": "HS256", "jwk": {"kty": "oct", "k": secret}}, b"brought along"))


@pytest.mark.parametrize("crit", [["exp"], ["b64"], [], "exp", None])
def test_critical_extensions(crit: object) -> None:
    """A token with `crit` is refused even when its signature is genuine (RFC 7515, section 4.1.11)."""
    assert refused(HMAC_KEYS, hmac_signed({"alg": "HS256", "crit": crit}, SECRET.encode()))
    assert not refused(HMAC_KEYS, hmac_signed({"alg": "HS256"}, SECRET.encode()))


@pytest.mark.parametrize(
    "header",
    [{}, [], "HS256", None, {"alg": None}, {"alg": 1}, {"alg": ["HS256"]}, {"ALG": "HS256"}, b"", b"\xff", b"{"],
)
def test_malformed_header(header: object) -> None:
    """A header that is not an object with a textual `alg` is refused, genuine signature or not."""
    assert refused(HMAC_KEYS, hmac_signed(header, SECRET.encode()))


def test_bottomless_header() -> None:
    """A header that is nested deeper than the decoder goes is refused like any other, before anything is signed."""
    deep = b'{"alg":"HS256","x":' + b"[" * 5000 + b"]" * 5000 + b"}"
    assert refused(HMAC_KEYS, f"{segment(deep)}.{segment(CLAIMS)}.{segment(b'')}")


def test_too_long() -> None:
    """A token longer than the limit is refused, although it is genuine; one of the very length is taken."""
    start = len(sign(b"", SECRET))
    fits = sign(b"x" * ((LENGTH_LIMIT - start) * 3 // 4), SECRET)
    assert LENGTH_LIMIT - 2 <= len(fits) <= LENGTH_LIMIT
    assert not refused(HMAC_KEYS, fits)
    assert refused(HMAC_KEYS, sign(b"x" * ((LENGTH_LIMIT - start) * 3 // 4 + 3), SECRET))


@pytest.mark.parametrize("change", [" {}", "{} ", "{}\n", "{}==", "\N{KELVIN SIGN}{}", "{}.", ".{}", "{}.{}"])
def test_foreign_characters(change: str) -> None:
    """Nothing is skipped or trimmed: characters that do not belong make a token invalid."""
    token = sign(b"{}", SECRET)
    assert refused(HMAC_KEYS, change.replace("{}", token))


@given(st.one_of(st.text(), st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*", fullmatch=True), st.binary().map(segment)))
@example("")
@example("..")
@example("\ud800")
@example(f"{segment({'alg': 'ES256'})}..{segment(b'short')}")
@example(f"{segment({'alg': 'EdDSA'})}..{segment(b'short')}")
@example(f"{segment({'alg': 'RS256'})}..{segment(b'short')}")
def test_garbage(token: str) -> None:
    """Whatever arrives as a token raises `InvalidToken`, and nothing else."""
    with pytest.raises(InvalidToken):
        Signatures(EVERY_KEY).payload(token)


@given(st.binary(), st.sampled_from(PAIRS))
def test_garbage_as_a_signature(signature: bytes, pair: tuple[str, Any, Keys]) -> None:
    """A well-formed token with any bytes for a signature raises `InvalidToken`, under each algorithm's name."""
    algorithm, _, keys = pair
    with pytest.raises(InvalidToken):
        Signatures(keys).payload(f"{segment({'alg': algorithm})}.{segment(CLAIMS)}.{segment(signature)}")


# Keys that cannot be.

NOT_ONE = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n"


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (Keys(rsa_public_key="x"), "[auth] rsa_public_key must be an RSA public key in PEM."),
        (Keys(rsa_public_key=NOT_ONE), "[auth] rsa_public_key must be an RSA public key in PEM."),
        (Keys(rsa_public_key=private(RSA)), "[auth] rsa_public_key must be an RSA public key in PEM."),
        (Keys(ecdsa_public_key="x"), "[auth] ecdsa_public_key must be an ECDSA public key in PEM."),
        (Keys(eddsa_public_key="x"), "[auth] eddsa_public_key must be an EdDSA public key in PEM."),
        (
            Keys(rsa_public_key=public(P256)),
            "[auth] rsa_public_key must be an RSA public key in PEM, not one of another kind.",
        ),
        (
            Keys(ecdsa_public_key=public(RSA)),
            "[auth] ecdsa_public_key must be an ECDSA public key in PEM, not one of another kind.",
        ),
        (
            Keys(eddsa_public_key=public(dsa.generate_private_key(1024))),
            "[auth] eddsa_public_key must be an EdDSA public key in PEM, not one of another kind.",
        ),
        (
            Keys(ecdsa_public_key=public(ec.generate_private_key(ec.SECP256K1()))),
            "[auth] ecdsa_public_key must be of the curve P-256, P-384 or P-521, not secp256k1.",
        ),
        (
            Keys(hmac_secret=public(RSA)),
            "[auth] hmac_secret must be a secret of its own, not a key in PEM, SSH or JWK form.",
        ),
        (
            Keys(previous_hmac_secret='{"kty":"oct","k":"c2VjcmV0"}'),
            "[auth] previous_hmac_secret must be a secret of its own, not a key in PEM, SSH or JWK form.",
        ),
    ],
)
def test_unusable_keys(keys: Keys, sentence: str) -> None:
    """A key that is not what its field says is refused with a sentence that names the field."""
    with pytest.raises(SettingsError) as raised:
        Signatures(keys)
    assert raised.value.message == sentence


def test_secrets_are_not_shown() -> None:
    """The text of `Keys` says which are set, and none of them."""
    assert repr(EVERY_KEY) == "Keys(hmac_secret, rsa_public_key, ecdsa_public_key, eddsa_public_key)"
