"""The settings file that is written for a start."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tidings.app.settings import Settings, template
from tidings.app.settings.channels import DESCRIPTIONS
from tidings.app.settings.fields import Section
from tidings.app.settings.sections import SECTIONS
from tidings.channels.options import ChannelOptions

pytestmark = pytest.mark.core


def uncommented(text: str) -> str:
    """The text with every key and example switched on; prose has a space behind its #."""
    return re.sub(r"^#(?! )", "", text, flags=re.MULTILINE)


def leaves(name: str, section: Section) -> list[tuple[str, Section]]:
    """The tables that the section is written as: its own, if it has keys of its own, and those within it."""
    inner = [table for key, value in section if isinstance(value, Section) for table in leaves(f"{name}.{key}", value)]
    return [(name, section), *inner] if keys(section) else inner


def keys(section: Section) -> set[str]:
    """The keys that are no tables, with or without names of their own."""
    return {key for key, value in section if not isinstance(value, Section | dict)}


TABLES = [table for name, model in SECTIONS.items() for table in leaves(name, model())]


def test_it_loads(tmp_path: Path) -> None:
    """As written, the file changes nothing."""
    path = tmp_path / "tidings.toml"
    path.write_text(template(), encoding="utf-8")
    assert Settings.load(path, {}) == Settings()


def test_its_defaults_are_the_defaults(tmp_path: Path) -> None:
    """With every key switched on, all that changes is the namespace of the example."""
    path = tmp_path / "tidings.toml"
    path.write_text(uncommented(template()), encoding="utf-8")
    settings = Settings.load(path, {})
    assert settings.shown() | {"channels": {}} == Settings().shown() | {"channels": {}}
    assert settings.channels == ChannelOptions()
    assert settings.namespaces == {"chat": ChannelOptions(history_size=100, history_ttl=300.0, allow_recovery=True)}


@pytest.mark.parametrize(("name", "section"), TABLES)
def test_it_has_every_key(name: str, section: Section) -> None:
    """Every section is there with every key, and every key with a word of explanation."""
    text = uncommented(template())
    table = tomllib.loads(text)
    for part in name.split("."):
        table = table[part]
    assert {key for key, value in table.items() if not isinstance(value, dict)} == keys(section)
    for key in keys(section):
        assert re.search(rf"^{key} = .* # \S.*[.…]$", text, flags=re.MULTILINE), key


def test_every_channel_option_is_described() -> None:
    """The descriptions are of the options that exist, and of all of them."""
    assert set(DESCRIPTIONS) == set(ChannelOptions.__struct_fields__)


def test_lines_are_short_enough() -> None:
    """The file can be read in an ordinary window."""
    assert max(map(len, template().splitlines())) <= 120


def test_secrets(tmp_path: Path) -> None:
    """Secrets that are given are set, however they are spelt; nothing else changes."""
    path = tmp_path / "tidings.toml"
    secret = 'a "quoted" \\ one \N{KEY}'
    path.write_text(template(hmac_secret=secret, api_key="k"), encoding="utf-8")
    assert Settings.load(path, {}) == Settings.of({"auth.hmac_secret": secret, "api.key": "k"})
