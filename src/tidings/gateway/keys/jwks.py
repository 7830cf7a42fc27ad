"""A JSON Web Key Set (RFC 7517): which of its keys count, and for what.

A key counts for the algorithms of its own kind and curve, and only for what `use`, `key_ops` and `alg` let it do:

    RSA   2048 to 8192 bits        RS256, RS384, RS512
    EC    P-256, P-384, P-521      the one of ES256, ES384, ES512 that belongs to the curve
    OKP   Ed25519, Ed448           EdDSA

Everything else is passed over, as the RFC asks (section 5). So are symmetric keys, because whoever can read a set could
sign with them; and keys whose private half stands beside the public one, for the same reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    SECP521R1,
    EllipticCurve,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from msgspec import Raw, Struct
from msgspec.json import Decoder

from tidings.gateway.signatures import Check, checks_of, from_base64url

RSA_BITS = range(2048, 8192 + 1)
"""Shorter keys can be broken (RFC 7518, section 3.3), and longer ones are a way to keep us busy."""

EXPONENT_BITS = 33
"""A public exponent may have so many bits; all that are in use have far fewer, and each costs time."""

KEY_LIMIT = 100
"""Keys that are looked at in one set."""

CANDIDATES = 8
"""Keys that a single token is checked with: where it names none, or several have the name that it gives."""

_CURVES: Mapping[str, type[EllipticCurve]] = {"P-256": SECP256R1, "P-384": SECP384R1, "P-521": SECP521R1}
_EDWARDS: Mapping[str, Callable[[bytes], Any]] = {
    "Ed25519": Ed25519PublicKey.from_public_bytes,
    "Ed448": Ed448PublicKey.from_public_bytes,
}


class NotKeys(ValueError):
    """What should have been a key set is none."""


class Key(Struct, frozen=True):
    """One usable key: what it is called, and how it checks each algorithm that it is for."""

    kid: str
    checks: Mapping[str, Check]


class KeySet:
    """The usable keys of a set."""

    def __init__(self, keys: Sequence[Key], ignored: int = 0) -> None:
        self._keys = tuple(keys)
        self.kids = frozenset(key.kid for key in keys)
        self.ignored = ignored
        """How many others there were."""

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, kid: str, algorithm: str) -> Sequence[Check] | None:
        """The checks by the keys of that id, by those of any id if it is ""; None when there is no such key."""
        named = [key for key in self._keys if kid in ("", key.kid)]
        if not named:
            return None
        return [key.checks[algorithm] for key in named if algorithm in key.checks][:CANDIDATES]


def parse(document: bytes) -> KeySet:
    """The key set that a document is. Raises `NotKeys`."""
    try:
        given = _SET.decode(document).keys
    except (ValueError, RecursionError) as error:
        raise NotKeys("the answer is not a JSON Web Key Set") from error
    keys = [key for key in map(_key, given[:KEY_LIMIT]) if key is not None]
    return KeySet(keys, len(given) - len(keys))


class _Set(Struct, frozen=True):
    keys: list[Raw]


class _Jwk(Struct, frozen=True):
    kty: str
    kid: str = ""
    use: str = "sig"
    key_ops: tuple[str, ...] = ("verify",)
    alg: str = ""
    crv: str = ""
    n: str = ""
    e: str = ""
    x: str = ""
    y: str = ""
    d: Raw | None = None


_SET = Decoder(_Set)
_JWK = Decoder(_Jwk)


def _key(given: Raw) -> Key | None:
    """The key, None if it is not for us to use: unknown kinds and missing or impossible members are no error."""
    try:
        jwk = _JWK.decode(given)
        if jwk.use != "sig" or "verify" not in jwk.key_ops or jwk.d is not None:
            return None
        make = _KINDS.get(jwk.kty)
        checks = checks_of(make(jwk)) if make is not None else {}
    except (ValueError, RecursionError, UnsupportedAlgorithm):
        return None
    if jwk.alg:
        checks = {name: check for name, check in checks.items() if name == jwk.alg}
    return Key(jwk.kid, checks) if checks else None


def _rsa(jwk: _Jwk) -> object:
    n, e = _number(jwk.n), _number(jwk.e)
    if n.bit_length() not in RSA_BITS or e.bit_length() > EXPONENT_BITS:
        raise ValueError("an RSA key of a size that is not accepted")
    return RSAPublicNumbers(e, n).public_key()


def _ec(jwk: _Jwk) -> object:
    if jwk.crv not in _CURVES:
        raise ValueError("a curve that is not known")
    # Whether the point is on the curve is checked here.
    return EllipticCurvePublicNumbers(_number(jwk.x), _number(jwk.y), _CURVES[jwk.crv]()).public_key()


def _okp(jwk: _Jwk) -> object:
    if jwk.crv not in _EDWARDS:
        raise ValueError("a curve that is not known")
    return _EDWARDS[jwk.crv](from_base64url(jwk.x.encode("ascii")))


_KINDS: Mapping[str, Callable[[_Jwk], object]] = {"RSA": _rsa, "EC": _ec, "OKP": _okp}


def _number(text: str) -> int:
    if not text:
        raise ValueError("a number that is missing")
    return int.from_bytes(from_base64url(text.encode("ascii")), "big")
