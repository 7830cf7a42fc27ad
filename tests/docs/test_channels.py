"""docs/channels.md: the table has the options that there are, and the examples are good."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import msgspec
import pytest
from msgspec.structs import fields
from tests.docs.pages import blocks, page, rows, section

from tidings.app.settings import Settings
from tidings.channels import names
from tidings.channels.hub import POSITION_CHECK_INTERVAL
from tidings.channels.options import ChannelOptions, DataFormat, RecoveryMode, SlowPolicy

pytestmark = pytest.mark.core

PAGE = page("channels.md")
OPTIONS = rows(section(PAGE, "Options"))


def test_every_option_is_there_with_its_default() -> None:
    """In the order of the code, so that a new option is missed at once."""
    documented = [(name.strip("` "), json.loads(default.strip("` "))) for name, default, _ in OPTIONS]
    expected = [(option.name, msgspec.to_builtins(option.default)) for option in fields(ChannelOptions)]
    assert documented == [
        (name, list(default) if isinstance(default, tuple) else default) for name, default in expected
    ]


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("force_recovery_mode", RecoveryMode),
        ("publication_data_format", DataFormat),
        ("slow_policy", SlowPolicy),
    ],
)
def test_every_value_of_an_option_is_there(option: str, values: Any) -> None:
    (meaning,) = [cells[2] for cells in OPTIONS if cells[0].strip("` ") == option]
    assert set(re.findall(r'`"(\w+)"`', meaning)) == {value.value for value in values} - {""}


def test_every_policy_is_explained() -> None:
    assert [cells[0].strip("` ") for cells in rows(section(PAGE, "Slow clients"))] == [
        policy.value for policy in SlowPolicy
    ]


def test_the_settings_are_good() -> None:
    """Each block of TOML is taken as it stands."""
    for block in blocks(PAGE, "toml"):
        settings = Settings.of(tomllib.loads(block))
        assert settings.namespaces["chat"].retention is not None


def test_numbers_are_those_of_the_code() -> None:
    """Each sentence that names a default says the present one."""
    settings = Settings()
    text = " ".join(PAGE.split())
    assert f"every {POSITION_CHECK_INTERVAL:.0f} s" in text
    assert f"`[client] history_limit` publications ({settings.client.history_limit})" in text
    assert f"`[broker] lease` ({settings.broker.lease:.0f} s)" in text
    assert settings.client.queue_limit_bytes == 2**20 and "`[client] queue_limit_bytes` (1 MiB)" in text
    assert f"A name has 1 to {names.LENGTH_LIMIT} printable" in text
    assert settings.client.personal_channel


def test_the_names_are_read_as_the_page_says() -> None:
    assert [names.namespace(name) for name in ("news", "chat:lobby", "$chat:board", "dialog#42,43")] == [
        "",
        "chat",
        "chat",
        "",
    ]
    assert names.is_private("$deals")
    assert names.users("dialog#42,43") == ["42", "43"]
    assert names.personal("42") == "#42"
