"""The settings file that `tidings config init` writes: every key with its default and what it means.

Made from the sections, so it knows what they know. The keys are commented out, because a default that is written down
does not follow the next version's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import SecretStr

from tidings.app.settings.auth import Auth
from tidings.app.settings.fields import Section
from tidings.app.settings.sections import SECTIONS, Api

COLUMN = 40

_PREFACE = """\
# Settings of Tidings. A key counts without its "#"; commented out, it shows its default. Times are seconds.
# The environment can set every key, too: TIDINGS_CLIENT__PING_INTERVAL=30 is ping_interval in [client].
"""

_EXAMPLE = """\
# Each namespace has options of its own: the keys of [channels]. This one would be for chat:lobby and its like.

#[channels.namespaces.chat]
#history_size = 100
#history_ttl = 300.0
#allow_recovery = true
"""


def template(*, hmac_secret: str = "", api_key: str = "") -> str:
    """The text of a settings file. A secret that is given is set; every other key is commented out."""
    sections: dict[str, Section] = {name: model() for name, model in SECTIONS.items()}
    sections["auth"] = Auth(hmac_secret=SecretStr(hmac_secret))
    sections["api"] = Api(key=SecretStr(api_key))
    tables = [table for name, section in sections.items() for table in _tables(name, section)]
    return "\n".join([_PREFACE, *tables, _EXAMPLE])


def _tables(name: str, section: Section) -> Iterator[str]:
    """The section's table, then those of the sections within it."""
    yield f"# {section.__doc__}\n"
    if lines := list(_lines(section)):
        yield "\n".join([f"[{name}]", *lines, ""])
    for key, inner in section:
        if isinstance(inner, Section) and lines:
            yield from _tables(f"{name}.{key}", inner)
        elif isinstance(inner, Section):
            yield "\n".join([f"[{name}.{key}]", *_lines(inner), ""])
    if "issuers" in type(section).model_fields:
        yield f"# Several issuers: a table [{name}.issuers.NAME] for each, with issuer and the keys of [{name}].\n"


def _lines(section: Section) -> Iterator[str]:
    for key, field in type(section).model_fields.items():
        if field.description:
            value = getattr(section, key)
            sign = "#" if value == field.default else ""
            yield f"{sign}{key} = {_literal(value)}".ljust(COLUMN) + f" # {field.description}"


def _literal(value: Any) -> str:
    """A value in TOML, which writes ours as JSON does, but knows no surrogate pairs."""
    return json.dumps(value.get_secret_value() if isinstance(value, SecretStr) else value, ensure_ascii=False)
