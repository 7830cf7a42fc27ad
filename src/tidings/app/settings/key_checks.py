"""What cannot be in `[auth]`: keys that are none, issuers that cannot be told apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from tidings.app.settings.auth import Auth, Claims, Signer, Signers
from tidings.app.settings.complaints import Objection, given, heading, objection
from tidings.app.settings.layers import Place
from tidings.errors import SettingsError
from tidings.gateway.claims import is_claim
from tidings.gateway.signatures import Keys, Signatures

NAME = re.compile(r"[-a-zA-Z0-9_]+")


def check_auth(auth: Auth) -> Iterator[Objection]:
    for section, signers in (("auth", auth), ("auth.subscription", auth.subscription)):
        for place, signer in signers.signers(section):
            yield from _check_signer(place, signer)
        yield from _check_issuers(section, signers)
    if auth.subscription != Signers() and auth.subscriptions is None:
        yield (
            ("auth", "subscription"),
            "[auth.subscription] has no key, so it would be good for nothing; set one, or leave the table out.",
        )


def _check_signer(place: Place, signer: Signer) -> Iterator[Objection]:
    section = ".".join(place)
    rules = signer.trusted(section)
    for field in Keys.__struct_fields__:
        try:
            Signatures(Keys(**{field: getattr(rules, field)}), section=section)
        except SettingsError as error:
            yield (*place, field), error.message
    if signer.jwks_url and (fault := _fault(signer.jwks_url)):
        yield objection((*place, "jwks_url"), fault)
    yield from _check_claims((*place, "claims"), signer.claims)


def _check_claims(place: Place, claims: Claims) -> Iterator[Objection]:
    for key, name in claims:
        if not is_claim(name):
            yield objection(
                (*place, key),
                f'= {given(name)} begins with a slash and so is a path, in which "~" must be "~0" or "~1"',
            )


def _check_issuers(section: str, signers: Signers) -> Iterator[Objection]:
    (_, own), *others = signers.signers(section)
    seen = {own.issuer}
    for place, signer in others:
        if not NAME.fullmatch(place[-1]):
            yield place, f'{heading(place[:-1])} {given(place[-1])} is not a name of letters, digits, "-" or "_".'
        if not signer.issuer:
            yield place, f"{heading(place)} issuer must say what its tokens have as their iss."
        elif signer.issuer in seen:
            yield objection(
                (*place, "issuer"), f"= {given(signer.issuer)} is there twice; whose keys count would be open"
            )
        elif not signer.trusted("").has_keys:
            yield place, f"{heading(place)} has no key; set jwks_url, a public key or hmac_secret."
        seen.add(signer.issuer)


def _fault(url: str) -> str:
    """What is wrong with the address of a key set."""
    try:
        address = urlsplit(url)
        usable = address.scheme in ("https", "http") and address.hostname and address.port != 0
    except ValueError:
        usable = False
    if not usable:
        return f"must be an address like https://issuer.example.com/jwks.json, not {given(url.partition('?')[0])}"
    if "@" in address.netloc:
        # Not repeated, because it may hold a password.
        return "must not hold a user or a password; what is published needs none"
    return ""
