"""What is shown of the settings holds no secret, whichever setting it hides in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_origin

import pytest
from pydantic import SecretStr

from tidings.app.settings import Settings
from tidings.app.settings.fields import Section
from tidings.app.settings.masking import MASK, shown
from tidings.app.settings.sections import SECTIONS

pytestmark = pytest.mark.core

SECRET = "hunter2"
ANY = "some-name"
URL = f"https://user:{SECRET}@host.example/path?token={SECRET}&{SECRET}"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://host/hook", "https://host/hook"),
        ("https://user:p@ss:w/rd@host/hook", f"https://user:{MASK}@host/hook"),
        ("https://token@host/hook", f"https://{MASK}@host/hook"),
        ("https://host/keys?version=2&k=v", f"https://host/keys?version={MASK}&k={MASK}"),
        ("https://host/?secret", f"https://host/?{MASK}"),
        ("HTTPS://Token@host", f"HTTPS://{MASK}@host"),
        ("redis://user@host", "redis://user@host"),
        ("redis://user:a?b@host/0", f"redis://user:{MASK}@host/0"),
        ("rediss://host?ssl_ca_certs=/a.pem", "rediss://host?ssl_ca_certs=/a.pem"),
        (
            "redis+sentinel://h/s?sentinel_username=u&sentinel_password=p",
            f"redis+sentinel://h/s?sentinel_username=u&sentinel_password={MASK}",
        ),
        ("no url, user:pass@host?x=y", "no url, user:pass@host?x=y"),
    ],
)
def test_urls(url: str, expected: str) -> None:
    """What stands before the host, and what an option is set to; paths and names stay."""
    assert shown(url) == expected
    assert shown({"a": (url, [url])}) == {"a": (expected, [expected])}


def places(section: type[Section], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every setting of a section and of the sections in it, with its type."""
    for name, field in section.model_fields.items():
        inner = field.annotation
        if get_origin(inner) is dict:
            # Tables with names that the operator chooses.
            yield from places(get_args(inner)[1], (*path, name, ANY))
        elif isinstance(inner, type) and issubclass(inner, Section):
            yield from places(inner, (*path, name))
        else:
            yield (*path, name), inner


SETTINGS = [((name, *place), kind) for name, model in SECTIONS.items() for place, kind in places(model)]
TEXTS = [(place, kind) for place, kind in SETTINGS if "str" in repr(kind).lower()]


@pytest.mark.parametrize(
    ("place", "kind"), TEXTS, ids=lambda value: ".".join(value) if isinstance(value, tuple) else ""
)
def test_no_setting_shows_a_secret(place: tuple[str, ...], kind: Any) -> None:
    """Neither in `config show` nor in the text of the object, which a traceback may hold.

    Walks all settings that are there, so a new one is tried as well. The values are not checked, since most of them
    could not be; what counts is that nothing is shown of them.
    """
    value: Any = SecretStr(SECRET) if kind is SecretStr else (URL,) if "tuple" in repr(kind) else URL
    section, *steps = place
    settings = Settings(**{section: _with(SECTIONS[section](), steps, value)}) if section != "channels" else None
    if settings is not None:
        assert SECRET not in str(settings.shown())
        assert SECRET not in repr(settings)
    else:
        assert SECRET not in repr(_with(SECTIONS[section](), steps, value))


def test_the_walk_finds_what_it_is_for() -> None:
    found = {place for place, _ in TEXTS}
    assert {("broker", "url"), ("api", "key"), ("auth", "hmac_secret"), ("auth", "jwks_url")} <= found
    assert {("proxy", "connect", "endpoint"), ("auth", "issuers", ANY, "hmac_secret")} <= found


def _with(section: Section, steps: list[str], value: Any) -> Section:
    name, *rest = steps
    if rest and rest[0] == ANY:
        table = get_args(type(section).model_fields[name].annotation)[1]
        return section.model_copy(update={name: {ANY: _with(table(), rest[1:], value)}})
    return section.model_copy(update={name: _with(getattr(section, name), rest, value) if rest else value})
