"""What the claims of an issuer are called, where it does not call them as we do.

    user                     the claim of that name; so is https://example.com/user, dots and slashes included
    /realm/user_id           a JSON Pointer (RFC 6901), because it begins with a slash: user_id within realm

So no name has two meanings. A slash within a part of a pointer is ~1, and a tilde ~0, as the RFC has it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Raw, Struct, json

POINTER = re.compile(r"(/([^~/]|~[01])*)+")


class ClaimNames(Struct, frozen=True):
    """Under which name, or where, the token has each of these; "" for one that is not taken from the token."""

    user: str = "sub"
    info: str = "info"
    meta: str = "meta"
    channels: str = "channels"


STANDARD = ClaimNames()


def is_claim(name: str) -> bool:
    """Whether a claim can be called so."""
    return bool(POINTER.fullmatch(name)) if name.startswith("/") else True


class Renaming:
    """Turns the payload of a token into one with our names for its claims."""

    def __init__(self, names: ClaimNames) -> None:
        standard = {name: getattr(STANDARD, name) for name in ClaimNames.__struct_fields__}
        self._user = names.user
        self._paths = {
            claim: _path(getattr(names, name)) for name, claim in standard.items() if getattr(names, name) != claim
        }

    def standard(self, payload: bytes) -> bytes:
        """The same claims under our names. Raises `ValueError` for claims without the user's, if that is named anew.

        Whoever says where the user stands means that it stands there; nobody becomes anonymous by its absence. A user
        may be a whole number, as in many databases, and is then its digits.
        """
        claims = _CLAIMS.decode(payload)
        found = {claim: _find(claims, path) for claim, path in self._paths.items()}
        if "sub" in found:
            found["sub"] = _user(found["sub"], self._user)
        renamed = {claim: value for claim, value in claims.items() if claim not in found}
        return json.encode(renamed | {claim: value for claim, value in found.items() if value is not None})


def named(claims: Mapping[str, object], names: ClaimNames) -> dict[str, object]:
    """Claims with our names under those of an issuer, for a token of its kind; the reverse of `Renaming`."""
    paths = {getattr(STANDARD, name): _path(getattr(names, name)) for name in ClaimNames.__struct_fields__}
    placed: dict[str, Any] = {}
    for claim, value in claims.items():
        *outer, last = paths.get(claim, (claim,)) or (claim,)
        table = placed
        for part in outer:
            table = table.setdefault(part, {})
        table[last] = value
    return placed


def _path(name: str) -> tuple[str, ...]:
    if not name:
        return ()
    if not name.startswith("/"):
        return (name,)
    # "~01" is a tilde and a one: the order of the two replacements matters (RFC 6901, section 4).
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in name[1:].split("/"))


def _find(claims: dict[str, Raw], path: tuple[str, ...]) -> Raw | None:
    value = None
    for depth, part in enumerate(path):
        if depth:
            claims = _CLAIMS.decode(value) if value is not None and bytes(value).startswith(b"{") else {}
        value = claims.get(part)
    return value


def _user(value: Raw | None, name: str) -> Raw:
    if value is None:
        raise ValueError(f"no claim {name}")
    user = _USER.decode(value)
    return Raw(json.encode(str(user)))


_CLAIMS = json.Decoder(dict[str, Raw])
_USER = json.Decoder(str | int)
