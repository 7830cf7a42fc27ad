"""Who may sign tokens now: replaced as a whole, while connections stay.

A token is checked with the keys of one issuer only: the one that its `iss` names, if the settings know that issuer, and
otherwise with the keys that stand outside of any. Without issuers nobody looks at `iss` before the signature.
Subscription tokens have a realm of their own where the settings say so; no key of one realm counts in the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from msgspec import Struct
from msgspec.json import Decoder

from tidings.clock import Clock, SystemClock
from tidings.gateway.grants import ConnectionGrant
from tidings.gateway.keys.endpoint import Endpoint
from tidings.gateway.signatures import InvalidToken, Reason, unverified
from tidings.gateway.tokens import SubscriptionClaims, TokenRules, Verifier
from tidings.hooks import Hooks


class Verifies(Protocol):
    """Turns tokens into grants, or raises `InvalidToken` or `TokenExpired`."""

    def connection(self, token: str, now: float) -> ConnectionGrant: ...

    def subscription(self, token: str, now: float) -> SubscriptionClaims: ...


class Realm(Struct, frozen=True):
    """All who may sign tokens of a kind: with the keys of `rules`, and each of `issuers` with its own."""

    rules: TokenRules
    issuers: tuple[TokenRules, ...] = ()

    @property
    def has_keys(self) -> bool:
        """Whether anybody can sign a token that is accepted."""
        return any(rules.has_keys for rules in self)

    def __iter__(self) -> Iterator[TokenRules]:
        yield self.rules
        yield from self.issuers


class Trust:
    """The verifier of a node. Without a realm of their own, subscription tokens are of the same as connection tokens.

    Keys that are fetched are fetched from `start`, in an event loop, until `stop`. Raises `SettingsError` for a key
    that cannot be used.
    """

    connection: Callable[[str, float], ConnectionGrant]
    subscription: Callable[[str, float], SubscriptionClaims]

    def __init__(
        self, connection: Realm, subscription: Realm | None = None, *, hooks: Hooks, clock: Clock | None = None
    ) -> None:
        self._hooks = hooks
        self._clock = clock or SystemClock()
        self._endpoints: dict[str, Endpoint] = {}
        self._former: list[Endpoint] = []
        """Those that nobody names any more, until their tasks have ended."""
        self._is_started = False
        self._replace(connection, subscription)

    @property
    def endpoints(self) -> list[Endpoint]:
        """Where keys are fetched."""
        return list(self._endpoints.values())

    def start(self) -> None:
        """Begin to fetch keys, unless that has begun. Waits for none of them."""
        self._is_started = True
        for endpoint in self._endpoints.values():
            endpoint.start()

    async def stop(self) -> None:
        """Fetch no more keys."""
        self._is_started = False
        for endpoint in (*self._endpoints.values(), *self._former):
            await endpoint.stop()

    def change(self, connection: Realm, subscription: Realm | None = None) -> None:
        """Trust these from now on, and nobody else; keys that are fetched are fetched anew.

        What endpoints have told is kept for those that are still named. Raises `SettingsError`, and then nothing has
        changed.
        """
        self._former = [endpoint for endpoint in self._former if not endpoint.is_stopped]
        for endpoint in self._replace(connection, subscription):
            endpoint.cancel()
            self._former.append(endpoint)
        for endpoint in self._endpoints.values():
            endpoint.refresh()
        if self._is_started:
            self.start()

    def _replace(self, connection: Realm, subscription: Realm | None) -> list[Endpoint]:
        """Returns the endpoints that nobody names any more."""
        wanted: _Wanted = {}
        verifies = self._verifier(connection, wanted)
        apart = verifies if subscription is None else self._verifier(subscription, wanted)
        # Bound methods, so that looking up who is trusted costs nothing per token.
        self.connection, self.subscription = verifies.connection, apart.subscription
        before, self._endpoints = self._endpoints, {url: endpoint for url, (endpoint, _) in wanted.items()}
        for endpoint, ttl in wanted.values():
            endpoint.ttl = ttl
        return [endpoint for url, endpoint in before.items() if url not in wanted]

    def _verifier(self, realm: Realm, wanted: _Wanted) -> Verifies:
        own, *others = [Verifier(rules, self._endpoint(rules, wanted)) for rules in realm]
        if not others:
            return own
        named = dict(zip((rules.issuer for rules in realm.issuers), others, strict=True))
        return _Issuers(named, own if realm.rules.has_keys else None)

    def _endpoint(self, rules: TokenRules, wanted: _Wanted) -> Endpoint | None:
        """The one at the address, with the keys that it has already; who wants them newest says how long they last."""
        url, ttl = rules.jwks_url, rules.jwks_ttl
        if not url:
            return None
        if url in wanted:
            endpoint, other = wanted[url]
            wanted[url] = endpoint, min(ttl, other)
        else:
            known = self._endpoints.get(url)
            made = known or Endpoint(url, ttl, source=rules.section, hooks=self._hooks, clock=self._clock)
            wanted[url] = made, ttl
        return wanted[url][0]


_Wanted = dict[str, tuple[Endpoint, float]]
"""Endpoints by their address, each with the time for which its keys are good."""


class _Issuers:
    """Several issuers, of whom the token itself says which one has to have signed it; `own` is for all other tokens."""

    def __init__(self, named: dict[str, Verifier], own: Verifier | None) -> None:
        self._named = named
        self._own = own

    def connection(self, token: str, now: float) -> ConnectionGrant:
        return self._of(token).connection(token, now)

    def subscription(self, token: str, now: float) -> SubscriptionClaims:
        return self._of(token).subscription(token, now)

    def _of(self, token: str) -> Verifier:
        try:
            issuer = _ISSUER.decode(unverified(token)).iss
        except (ValueError, RecursionError) as error:
            raise InvalidToken(Reason.MALFORMED) from error
        verifier = self._named.get(issuer, self._own)
        if verifier is None:
            raise InvalidToken(Reason.ISSUER)
        return verifier


class _Issuer(Struct, frozen=True):
    iss: str = ""


_ISSUER = Decoder(_Issuer)
