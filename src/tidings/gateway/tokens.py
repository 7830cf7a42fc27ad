"""Tokens: what somebody may do, said by a back end that shares a key with us.

A *connection token* says who a client is, a *subscription token* that a client may have one channel. Both are JSON Web
Tokens (RFC 7519) with the claims of the Centrifuge ecosystem. A verifier answers with the grant that the token stands
for, or raises

    InvalidToken    it is forged, malformed, or meant for something else
    TokenExpired    it was good once, or will be: the client should fetch a new one

Pure: the time is an argument.
"""

from __future__ import annotations

import base64
from typing import Annotated

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, json

from tidings.channels.options import Override
from tidings.errors import TokenExpired
from tidings.gateway.claims import STANDARD, ClaimNames, Renaming, named
from tidings.gateway.grants import ConnectionGrant, SubscriptionGrant
from tidings.gateway.signatures import InvalidToken, Keys, KeySource, KeyUnknown, Reason, Signatures, sign

__all__ = ["InvalidToken", "KeyUnknown", "Keys", "Reason", "SubscriptionClaims", "TokenRules", "Verifier", "mint"]


class TokenRules(Keys, frozen=True):
    """Which tokens are accepted: signed with one of the keys, and for this audience, by this issuer, where set.

    Further keys are those that are found at `jwks_url` and kept for `jwks_ttl` seconds. `section` is where all this
    stands in the settings.
    """

    audience: str = ""
    issuer: str = ""
    jwks_url: str = ""
    jwks_ttl: float = 3600.0
    claims: ClaimNames = STANDARD
    section: str = "auth"

    @property
    def has_keys(self) -> bool:
        """Whether anybody can sign a token that is accepted."""
        return bool(self.jwks_url) or any(getattr(self, name) for name in Keys.__struct_fields__)


class SubscriptionClaims(Struct, frozen=True):
    """What a subscription token says: this user may have this channel.

    `client` is "" where any connection of the user will do. The session compares all three with what it knows.
    """

    channel: str
    user: str
    client: str
    grant: SubscriptionGrant


class Verifier:
    """Turns tokens into grants; `source` has the keys that are fetched. Raises `SettingsError` for a useless key."""

    def __init__(self, rules: TokenRules, source: KeySource | None = None) -> None:
        self._rules = rules
        self._signatures = Signatures(rules, section=rules.section, source=source)
        self._renaming = Renaming(rules.claims) if rules.claims != STANDARD else None

    def connection(self, token: str, now: float) -> ConnectionGrant:
        """Who the holder is. Raises `InvalidToken` or `TokenExpired`."""
        try:
            claims = _CONNECTION.decode(self._payload(token))
            self._check(claims, now)
            return claims.grant()
        except (ValueError, RecursionError) as error:
            raise InvalidToken(Reason.CLAIMS) from error

    def subscription(self, token: str, now: float) -> SubscriptionClaims:
        """What the holder may subscribe to. Raises `InvalidToken` or `TokenExpired`."""
        try:
            claims = _SUBSCRIPTION.decode(self._payload(token))
            self._check(claims, now)
            return SubscriptionClaims(claims.channel, claims.sub, claims.client, claims.grant())
        except (ValueError, RecursionError) as error:
            raise InvalidToken(Reason.CLAIMS) from error

    def _payload(self, token: str) -> str:
        # As text: what is passed on undecoded (info, data, meta) would otherwise never be checked to be UTF-8.
        payload = self._signatures.payload(token)
        return (payload if self._renaming is None else self._renaming.standard(payload)).decode()

    def _check(self, claims: _Claims, now: float) -> None:
        """First what no new token of the same kind would mend, then the time."""
        if self._rules.audience and self._rules.audience not in claims.audiences():
            raise InvalidToken(Reason.AUDIENCE)
        if self._rules.issuer and claims.iss != self._rules.issuer:
            raise InvalidToken(Reason.ISSUER)
        if claims.exp is not UNSET and now >= claims.exp:
            raise TokenExpired
        if claims.nbf is not UNSET and now < claims.nbf:
            raise TokenExpired("token not valid yet")


def mint(
    secret: str,
    *,
    user: str,
    ttl: float,
    now: float,
    channel: str = "",
    info: bytes = b"",
    rules: TokenRules | None = None,
) -> str:
    """A connection token for `user`, or with a `channel` a subscription token, signed with HS256.

    It expires `ttl` seconds from `now`, never when `ttl` is 0. `info` is encoded JSON. With `rules` the token is for
    their audience, by their issuer, and calls its claims as they do. Raises `SettingsError` when the secret is empty.
    """
    said = {"sub": user, "exp": now + ttl if ttl else 0, "channel": channel, "info": Raw(info) if info else None}
    claims: dict[str, object] = {name: value for name, value in said.items() if value or name == "sub"}
    if rules is not None:
        origin = {"aud": rules.audience, "iss": rules.issuer}
        claims = named(claims, rules.claims) | {name: value for name, value in origin.items() if value}
    return sign(json.encode(claims), secret)


# The claims. Absent ones are UNSET rather than None: a null is a back end's mistake, and must not mean "never".

_NOTHING = Raw(b"")


class _Flag(Struct, frozen=True):
    value: bool


class _Override(Struct, frozen=True):
    """The wire's form of `Override`: every option is an object, so that "false" and "not said" differ."""

    presence: _Flag | None = None
    join_leave: _Flag | None = None
    force_recovery: _Flag | None = None
    force_positioning: _Flag | None = None
    force_push_join_leave: _Flag | None = None

    def plain(self) -> Override:
        flags = {name: getattr(self, name) for name in self.__struct_fields__}
        return Override(**{name: flag.value for name, flag in flags.items() if flag is not None})


_NO_OVERRIDE = _Override()


class _ServerSide(Struct, frozen=True):
    """One entry of `subs`: a channel that the connection is subscribed to without asking."""

    info: Raw = _NOTHING
    b64info: str = ""
    data: Raw = _NOTHING
    b64data: str = ""
    override: _Override = _NO_OVERRIDE

    def grant(self) -> SubscriptionGrant:
        return SubscriptionGrant(
            info=_either(self.b64info, self.info),
            data=_either(self.b64data, self.data),
            override=self.override.plain(),
        )


class _Claims(Struct, frozen=True):
    """What both kinds of token may say."""

    sub: str = ""
    exp: float | UnsetType = UNSET
    nbf: float | UnsetType = UNSET
    iat: float | UnsetType = UNSET
    aud: str | list[str] | UnsetType = UNSET
    iss: str | UnsetType = UNSET
    info: Raw = _NOTHING
    b64info: str = ""
    # Not negative: only 0 may stand for "never".
    expire_at: Annotated[float, Meta(ge=0)] | UnsetType = UNSET

    def audiences(self) -> list[str]:
        if self.aud is UNSET:
            return []
        return [self.aud] if isinstance(self.aud, str) else self.aud

    def expiry(self) -> float:
        """When what was granted ends: with the token, unless the token says otherwise."""
        if self.expire_at is not UNSET:
            return self.expire_at
        return self.exp if self.exp is not UNSET else 0.0


class _ConnectionClaims(_Claims, frozen=True):
    channels: list[str] = []
    subs: dict[str, _ServerSide] = {}
    meta: Raw = _NOTHING
    channel: Raw | UnsetType = UNSET

    def grant(self) -> ConnectionGrant:
        if self.channel is not UNSET:
            raise InvalidToken(Reason.PURPOSE)
        expire_at = self.expiry()
        return ConnectionGrant(
            user=self.sub,
            info=_either(self.b64info, self.info),
            expire_at=expire_at,
            channels=dict.fromkeys(self.channels, SubscriptionGrant())
            | {channel: options.grant() for channel, options in self.subs.items()},
            meta=bytes(self.meta),
            renewable=expire_at > 0,
        )


class _SubscriptionClaims(_Claims, frozen=True, kw_only=True):
    channel: Annotated[str, Meta(min_length=1)]
    client: str = ""
    data: Raw = _NOTHING
    b64data: str = ""
    override: _Override = _NO_OVERRIDE

    def grant(self) -> SubscriptionGrant:
        return SubscriptionGrant(
            info=_either(self.b64info, self.info),
            data=_either(self.b64data, self.data),
            expire_at=self.expiry(),
            override=self.override.plain(),
            renewable=True,
        )


def _either(encoded: str, raw: Raw) -> bytes:
    return base64.b64decode(encoded, validate=True) if encoded else bytes(raw)


_CONNECTION = json.Decoder(_ConnectionClaims)
_SUBSCRIPTION = json.Decoder(_SubscriptionClaims)
