"""Which signatures count.

A token is a JWS in its compact form (RFC 7515, section 7.1). Its header only *names* an algorithm; with which key that
algorithm checks is settled once, from the configuration:

    hmac_secret        HS256, HS384, HS512 (and previous_hmac_secret, while a secret is being replaced)
    rsa_public_key     RS256, RS384, RS512
    ecdsa_public_key   the one of ES256, ES384, ES512 that belongs to the key's curve
    eddsa_public_key   EdDSA

Keys that are fetched come on top of these, for the algorithms of public keys only (`tidings.gateway.keys`).

An algorithm without a key does not exist here, "none" never does, and no key can be used by another family's
algorithm. PyJWT's algorithms do the checking; taking a token apart is done here, because PyJWT's own way takes four
times as long, and every connection pays for it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol

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

DETAIL_LENGTH = 64
"""How much of a name that a token gives is shown."""

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

PUBLIC = frozenset(("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA"))
"""The algorithms whose keys may be published, and so fetched."""

Check = Callable[[bytes, bytes], bool]
"""Whether the first argument was signed with the second."""


class Reason(StrEnum):
    """Why a token was refused, in words that stay: logs and metrics have them."""

    MALFORMED = "malformed"
    """It is no JWS in its compact form, or has an extension that must be understood."""
    TOO_LONG = "too_long"
    ALGORITHM = "algorithm"
    """There is no key for the algorithm that it names."""
    SIGNATURE = "signature"
    """None of the keys that may have signed it did."""
    UNKNOWN_KEY = "unknown_key"
    """It names a key that its issuer does not publish."""
    ISSUER = "issuer"
    """It is from nobody who is trusted."""
    AUDIENCE = "audience"
    """It is for somebody else."""
    CLAIMS = "claims"
    """It is genuine, and what it claims cannot be understood."""
    PURPOSE = "purpose"
    """It is a subscription token that was brought to connect."""
    HOLDER = "holder"
    """It is for another user, channel or client than the one that brings it."""
    EXPIRED = "expired"
    NOT_YET = "not_yet"
    KEYS_AWAY = "keys_away"
    """Nobody can tell, because the keys cannot be fetched; the client comes back."""


class InvalidToken(Exception):
    """The token was not made by anybody who may, or not for this. `detail` is what may be shown of it."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.detail = detail[:DETAIL_LENGTH]


class KeyUnknown(InvalidToken):
    """The token names a key that is not known yet. `source.learn()` may bring it, after which it is checked again."""

    def __init__(self, source: KeySource, detail: str) -> None:
        super().__init__(Reason.UNKNOWN_KEY, detail)
        self.source = source


class KeySource(Protocol):
    """Public keys that come from elsewhere, and change."""

    def find(self, kid: str, algorithm: str) -> Sequence[Check] | None:
        """The checks by the keys of that id that may be used with the algorithm; of any id where `kid` is "".

        None when there is no such key, as far as is known by now.
        """

    async def learn(self) -> None:
        """Wait until it has been asked anew what keys there are. Raises `KeysUnavailable`."""


class Keys(Struct, frozen=True):
    """What tokens may be signed with; an empty key is none. Public keys are PEM text."""

    hmac_secret: str = ""
    previous_hmac_secret: str = ""
    rsa_public_key: str = ""
    ecdsa_public_key: str = ""
    eddsa_public_key: str = ""

    def __repr__(self) -> str:
        """Which fields are set, without their values: a secret has no business in a log."""
        defaults = zip(self.__struct_fields__, self.__struct_defaults__, strict=True)
        configured = [name for name, default in defaults if getattr(self, name) != default]
        return f"{type(self).__name__}({', '.join(configured)})"


class Signatures:
    """Tells signed tokens from others. `section` is where the settings have the keys, `source` where further ones are.

    Raises `SettingsError` when a key cannot be what its field says.
    """

    def __init__(self, keys: Keys, *, section: str = "auth", source: KeySource | None = None) -> None:
        self._checks: dict[str, list[Check]] = {}
        self._source = source
        for name, check in _checks(keys, f"[{section}]"):
            self._checks.setdefault(name, []).append(check)

    def payload(self, token: str) -> bytes:
        """What was signed. Raises `InvalidToken`, and nothing else, whatever the token is."""
        if len(token) > LENGTH_LIMIT:
            raise InvalidToken(Reason.TOO_LONG)
        try:
            return self._verified(token.encode("ascii"))
        except (ValueError, RecursionError) as error:
            raise InvalidToken(Reason.MALFORMED) from error

    def _verified(self, token: bytes) -> bytes:
        header, payload, signature = token.split(b".")
        signed = token[: len(token) - len(signature) - 1]
        decoded = _HEADER.decode(from_base64url(header))
        if decoded.crit is not UNSET:
            # "If any of the listed extension Header Parameters are not understood and supported by the recipient,
            # then the JWS is invalid" (RFC 7515, section 4.1.11). We understand none.
            raise InvalidToken(Reason.MALFORMED)
        proof = from_base64url(signature)
        if not any(check(signed, proof) for check in self._checks.get(decoded.alg, ())):
            self._check_elsewhere(decoded, signed, proof)
        return from_base64url(payload)

    def _check_elsewhere(self, header: _Header, signed: bytes, proof: bytes) -> None:
        """No key of the settings has signed it: perhaps one that is fetched has."""
        if self._source is None or header.alg not in PUBLIC:
            known = header.alg in self._checks
            raise InvalidToken(Reason.SIGNATURE) if known else InvalidToken(Reason.ALGORITHM, header.alg)
        checks = self._source.find(header.kid, header.alg)
        if checks is None:
            raise KeyUnknown(self._source, header.kid)
        if not any(check(signed, proof) for check in checks):
            raise InvalidToken(Reason.SIGNATURE, header.kid)


def unverified(token: str) -> bytes:
    """What a token says before anybody has checked it: only to find out who has to. Raises `InvalidToken`."""
    if len(token) > LENGTH_LIMIT:
        raise InvalidToken(Reason.TOO_LONG)
    try:
        _, payload, _ = token.encode("ascii").split(b".")
        return from_base64url(payload)
    except ValueError as error:
        raise InvalidToken(Reason.MALFORMED) from error


def checks_of(key: object) -> Mapping[str, Check]:
    """The algorithms that a public key may be used with, each with its check; none for a key of any other kind."""
    match key:
        case RSAPublicKey():
            return {name: _check(algorithm, key) for name, algorithm in _RSA.items()}
        case EllipticCurvePublicKey() if key.curve.name in _ECDSA:
            name, ecdsa = _ECDSA[key.curve.name]
            return {name: _check(ecdsa, key)}
        case Ed25519PublicKey() | Ed448PublicKey():
            return {name: _check(algorithm, key) for name, algorithm in _EDDSA.items()}
        case _:
            return {}


def sign(payload: bytes, secret: str) -> str:
    """A token around `payload`, signed with HS256. Raises `SettingsError` when the secret is empty."""
    if not secret:
        raise SettingsError("There is no hmac_secret to sign with; set one.")
    signed = b"%b.%b" % (_HS256_HEADER, _to_base64url(payload))
    signature = _HMAC["HS256"].sign(signed, secret.encode())
    return (b"%b.%b" % (signed, _to_base64url(signature))).decode()


class _Header(Struct, frozen=True):
    alg: str
    kid: str = ""
    crit: Raw | UnsetType = UNSET


_HEADER = Decoder(_Header)


def _checks(keys: Keys, section: str) -> Iterator[tuple[str, Check]]:
    for field in ("hmac_secret", "previous_hmac_secret"):
        if getattr(keys, field):
            secret = _secret(f"{section} {field}", getattr(keys, field))
            yield from ((name, _check(algorithm, secret)) for name, algorithm in _HMAC.items())
    if keys.rsa_public_key:
        yield from _public_key(f"{section} rsa_public_key", keys.rsa_public_key, "an RSA", RSAPublicKey)
    if keys.ecdsa_public_key:
        yield from _public_key(f"{section} ecdsa_public_key", keys.ecdsa_public_key, "an ECDSA", EllipticCurvePublicKey)
    if keys.eddsa_public_key:
        yield from _public_key(
            f"{section} eddsa_public_key", keys.eddsa_public_key, "an EdDSA", Ed25519PublicKey, Ed448PublicKey
        )


def _check(algorithm: Algorithm, key: object) -> Check:
    return lambda signed, signature: algorithm.verify(signed, key, signature)


def _secret(field: str, text: str) -> bytes:
    # A public key here would let everybody who knows it sign: the other half of the confusion of algorithms.
    try:
        return _HMAC["HS256"].prepare_key(text)
    except InvalidKeyError as error:
        raise SettingsError(f"{field} must be a secret of its own, not a key in PEM, SSH or JWK form.") from error


def _public_key(field: str, pem: str, kind: str, *types: type[Any]) -> Iterator[tuple[str, Check]]:
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SettingsError(f"{field} must be {kind} public key in PEM.") from error
    if not isinstance(key, types):
        raise SettingsError(f"{field} must be {kind} public key in PEM, not one of another kind.")
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name not in _ECDSA:
        raise SettingsError(f"{field} must be of the curve P-256, P-384 or P-521, not {key.curve.name}.")
    return iter(checks_of(key).items())


def from_base64url(text: bytes) -> bytes:
    """The bytes that a text stands for. Raises `ValueError`."""
    # RFC 7515, section 2, leaves the padding away, but some issuers write it. Validated, because Python would otherwise
    # skip foreign characters.
    return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _to_base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


_HS256_HEADER = _to_base64url(b'{"alg":"HS256","typ":"JWT"}')
