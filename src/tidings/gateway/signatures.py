"""Which signatures count.

A token is a JWS in its compact form (RFC 7515, section 7.1). Its header only *names* an algorithm; with which key that
algorithm checks is settled once, from the configuration:

    hmac_secret        HS256, HS384, HS512 (and previous_hmac_secret, while a secret is being replaced)
    rsa_public_key     RS256, RS384, RS512
    ecdsa_public_key   the one of ES256, ES384, ES512 that belongs to the key's curve
    eddsa_public_key   EdDSA

An algorithm without a key does not exist here, "none" never does, and no key can be used by another family's
algorithm. PyJWT's algorithms do the checking; taking a token apart is done here, because PyJWT's own way takes four
times as long, and every connection pays for it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import Algorithm, ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError
from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.json import Decoder

from tidings.errors import SettingsError

LENGTH_LIMIT = 16 * 1024
"""The longest token that is looked at, in characters. Web servers give the headers that carry one no more either."""

_HMAC: Mapping[str, HMACAlgorithm] = {
    "HS256": HMACAlgorithm(HMACAlgorithm.SHA256),
    "HS384": HMACAlgorithm(HMACAlgorithm.SHA384),
    "HS512": HMACAlgorithm(HMACAlgorithm.SHA512),
}
_RSA: Mapping[str, RSAAlgorithm] = {
    "RS256": RSAAlgorithm(RSAAlgorithm.SHA256),
    "RS384": RSAAlgorithm(RSAAlgorithm.SHA384),
    "RS512": RSAAlgorithm(RSAAlgorithm.SHA512),
}
# Each ECDSA algorithm belongs to one curve (RFC 7518, section 3.4).
_ECDSA: Mapping[str, tuple[str, ECAlgorithm]] = {
    "secp256r1": ("ES256", ECAlgorithm(ECAlgorithm.SHA256)),
    "secp384r1": ("ES384", ECAlgorithm(ECAlgorithm.SHA384)),
    "secp521r1": ("ES512", ECAlgorithm(ECAlgorithm.SHA512)),
}
_EDDSA: Mapping[str, OKPAlgorithm] = {"EdDSA": OKPAlgorithm()}

Check = Callable[[bytes, bytes], bool]
"""Whether the first argument was signed with the second."""


class InvalidToken(Exception):
    """The token was not made by anybody who may, or not for this."""


class Keys(Struct, frozen=True):
    """What tokens may be signed with; an empty key is none. Public keys are PEM text."""

    hmac_secret: str = ""
    previous_hmac_secret: str = ""
    rsa_public_key: str = ""
    ecdsa_public_key: str = ""
    eddsa_public_key: str = ""

    def __repr__(self) -> str:
        """Which fields are set, without their values: a secret has no business in a log."""
        configured = [name for name in self.__struct_fields__ if getattr(self, name)]
        return f"{type(self).__name__}({', '.join(configured)})"


class Signatures:
    """Tells signed tokens from others.

    Raises `SettingsError` when a key cannot be what its field says.
    """

    def __init__(self, keys: Keys) -> None:
        self._checks: dict[str, list[Check]] = {}
        for name, check in _checks(keys):
            self._checks.setdefault(name, []).append(check)

    def payload(self, token: str) -> bytes:
        """What was signed. Raises `InvalidToken`, and nothing else, whatever the token is."""
        if len(token) > LENGTH_LIMIT:
            raise InvalidToken("too long")
        try:
            return self._verified(token.encode("ascii"))
        except (ValueError, RecursionError) as error:
            raise InvalidToken("not a token") from error

    def _verified(self, token: bytes) -> bytes:
        header, payload, signature = token.split(b".")
        signed = token[: len(token) - len(signature) - 1]
        decoded = _HEADER.decode(_from_base64url(header))
        if decoded.crit is not UNSET:
            # "If any of the listed extension Header Parameters are not understood and supported by the recipient,
            # then the JWS is invalid" (RFC 7515, section 4.1.11). We understand none.
            raise InvalidToken("an extension that must be understood")
        proof = _from_base64url(signature)
        if not any(check(signed, proof) for check in self._checks.get(decoded.alg, ())):
            raise InvalidToken("no signature of ours")
        return _from_base64url(payload)


def sign(payload: bytes, secret: str) -> str:
    """A token around `payload`, signed with HS256. Raises `SettingsError` when the secret is empty."""
    if not secret:
        raise SettingsError("There is no hmac_secret to sign with; set one.")
    signed = b"%b.%b" % (_HS256_HEADER, _to_base64url(payload))
    signature = _HMAC["HS256"].sign(signed, secret.encode())
    return (b"%b.%b" % (signed, _to_base64url(signature))).decode()


class _Header(Struct, frozen=True):
    alg: str
    crit: Raw | UnsetType = UNSET


_HEADER = Decoder(_Header)


def _checks(keys: Keys) -> Iterator[tuple[str, Check]]:
    for field in ("hmac_secret", "previous_hmac_secret"):
        if getattr(keys, field):
            secret = _secret(field, getattr(keys, field))
            yield from ((name, _check(algorithm, secret)) for name, algorithm in _HMAC.items())
    if keys.rsa_public_key:
        rsa = _public_key("rsa_public_key", keys.rsa_public_key, "an RSA", RSAPublicKey)
        yield from ((name, _check(algorithm, rsa)) for name, algorithm in _RSA.items())
    if keys.ecdsa_public_key:
        yield _ecdsa_check(keys.ecdsa_public_key)
    if keys.eddsa_public_key:
        eddsa = _public_key("eddsa_public_key", keys.eddsa_public_key, "an EdDSA", Ed25519PublicKey, Ed448PublicKey)
        yield from ((name, _check(algorithm, eddsa)) for name, algorithm in _EDDSA.items())


def _check(algorithm: Algorithm, key: object) -> Check:
    return lambda signed, signature: algorithm.verify(signed, key, signature)


def _ecdsa_check(pem: str) -> tuple[str, Check]:
    key = _public_key("ecdsa_public_key", pem, "an ECDSA", EllipticCurvePublicKey)
    if key.curve.name not in _ECDSA:
        raise SettingsError(
            f"[auth] ecdsa_public_key must be of the curve P-256, P-384 or P-521, not {key.curve.name}."
        )
    name, algorithm = _ECDSA[key.curve.name]
    return name, _check(algorithm, key)


def _secret(field: str, text: str) -> bytes:
    # A public key here would let everybody who knows it sign: the other half of the confusion of algorithms.
    try:
        return _HMAC["HS256"].prepare_key(text)
    except InvalidKeyError as error:
        raise SettingsError(
            f"[auth] {field} must be a secret of its own, not a key in PEM, SSH or JWK form."
        ) from error


def _public_key(field: str, pem: str, kind: str, *types: type[Any]) -> Any:
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SettingsError(f"[auth] {field} must be {kind} public key in PEM.") from error
    if not isinstance(key, types):
        raise SettingsError(f"[auth] {field} must be {kind} public key in PEM, not one of another kind.")
    return key


def _from_base64url(text: bytes) -> bytes:
    # RFC 7515, section 2, leaves the padding away, but some issuers write it. Validated, because Python would otherwise
    # skip foreign characters.
    return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _to_base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


_HS256_HEADER = _to_base64url(b'{"alg":"HS256","typ":"JWT"}')
