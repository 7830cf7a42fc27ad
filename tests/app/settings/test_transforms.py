"""What statuses of an endpoint mean: how it is written, what is refused, and how it is shown."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tidings.app.settings import Settings
from tidings.app.settings.sections import Proxies, Proxy
from tidings.cli import config
from tidings.errors import SettingsError
from tidings.gateway.webhooks.terms import Ending, Refusal

pytestmark = pytest.mark.core

KEY = "status_to_code_transforms"
BOTH = {"status_code": 404, "to_error": {"code": 400}, "to_disconnect": {"code": 4000}}
TEXT = """
[[proxy.rpc.status_to_code_transforms]]
status_code = 404
to_error = { code = 1404, message = "no such thing" }

[[proxy.rpc.status_to_code_transforms]]
status_code = 503
to_error = { code = 1503, message = "", temporary = true }

[[proxy.rpc.status_to_code_transforms]]
status_code = 401
to_disconnect = { code = 4501, reason = "log in first" }
"""
ENTRIES = tomllib.loads(TEXT)["proxy"]["rpc"][KEY]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def complaint(*entries: Any, event: str = "rpc") -> str:
    with pytest.raises(SettingsError) as raised:
        Settings.of({"proxy": {event: {KEY: list(entries)}}})
    return raised.value.message


def test_what_a_status_means() -> None:
    """As the gateway takes it, from the file and from the environment."""
    Path("tidings.toml").write_text(TEXT, encoding="utf-8")
    meanings = {
        404: Refusal(1404, "no such thing", False),
        503: Refusal(1503, "", True),
        401: Ending(4501, "log in first"),
    }
    settings = Settings.load(None, {})
    assert settings.proxy.rpc.terms["meanings"] == meanings
    assert settings.proxy.connect.terms["meanings"] == {}
    again = Settings.load(None, {"TIDINGS_PROXY__PUBLISH__STATUS_TO_CODE_TRANSFORMS": json.dumps(ENTRIES)})
    assert again.proxy.publish.terms["meanings"] == meanings


@pytest.mark.parametrize("event", [event for event, proxy in Proxies() if isinstance(proxy, Proxy)])
def test_every_endpoint_that_decides_has_it(event: str) -> None:
    settings = Settings.of({"proxy": {event: {KEY: ENTRIES}}})
    assert len(getattr(settings.proxy, event).terms["meanings"]) == 3


def test_it_is_shown_as_it_can_be_read() -> None:
    """`tidings config show` writes TOML, and what it shows are the same settings."""
    settings = Settings.of({"proxy": {"rpc": {KEY: ENTRIES}}})
    shown = tomllib.loads("\n".join(config._tables(settings.shown())))
    assert Settings.of(shown) == settings


PLACE = "[proxy.rpc] status_to_code_transforms"


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ([BOTH], f"{PLACE} needs to_error or to_disconnect for 404, and has both."),
        ([{"status_code": 404}], f"{PLACE} needs to_error or to_disconnect for 404, and has neither."),
        ([*ENTRIES, ENTRIES[0]], f"{PLACE} has 404 more than once; leave one in."),
        (
            [{"status_code": 200, "to_error": {"code": 400}}],
            f"{PLACE} cannot have 200, with which the body is the answer.",
        ),
        ([ENTRIES[0] | {"status_code": 99}], f"{PLACE}, entry 1: status_code must be at least 200, not 99."),
        ([ENTRIES[0] | {"status_code": 600}], f"{PLACE}, entry 1: status_code must be at most 599, not 600."),
        (
            [ENTRIES[0], {"status_code": 500, "to_error": {"code": 399}}],
            f"{PLACE}, entry 2: to_error.code must be at least 400, not 399.",
        ),
        (
            [{"status_code": 500, "to_error": {"code": 2000}}],
            f"{PLACE}, entry 1: to_error.code must be at most 1999, not 2000.",
        ),
        (
            [{"status_code": 500, "to_error": {"code": 400, "message": 5}}],
            f"{PLACE}, entry 1: to_error.message must be a text in quotes, not 5.",
        ),
        (
            [{"status_code": 500, "to_disconnect": {"code": 3999}}],
            f"{PLACE}, entry 1: to_disconnect.code must be at least 4000, not 3999.",
        ),
        (
            [{"status_code": 500, "to_disconnect": {"code": 5000}}],
            f"{PLACE}, entry 1: to_disconnect.code must be at most 4999, not 5000.",
        ),
        (
            [{"status_code": 500, "to_disconnect": {"code": 4000, "reason": "x" * 33}}],
            f"{PLACE} has a reason for 500 that is not one of at most 32 printable ASCII characters.",
        ),
        (
            [{"status_code": 500, "to_disconnect": {"code": 4000, "reason": "schön"}}],
            f"{PLACE} has a reason for 500 that is not one of at most 32 printable ASCII characters.",
        ),
        ([{"status": 404}], f"{PLACE}, entry 1: status_code is missing."),
        ([{"status_code": 404, "to_error": {}}], f"{PLACE}, entry 1: to_error.code is missing."),
        (
            [ENTRIES[0] | {"to_disconect": {}}],
            f'{PLACE}, entry 1: there is no key "to_disconect"; did you mean "to_disconnect"?',
        ),
        (
            [{"status_code": 404, "to_error": {"code": 400, "mesage": ""}}],
            f'{PLACE}, entry 1: there is no key "to_error.mesage"; did you mean "to_error.message"?',
        ),
        ([ENTRIES[0], 404], f"{PLACE}, entry 2: it must be a table, not 404."),
    ],
)
def test_what_cannot_be(entries: list[Any], sentence: str) -> None:
    assert complaint(*entries) == sentence


@pytest.mark.parametrize(
    ("value", "given"), [("404=1404", '"404=1404"'), ('{"status_code": 404}', '"{\\"status_code\\": 404}"')]
)
def test_no_list(value: str, given: str) -> None:
    """It is said with the name of the variable where it stands."""
    variable = "TIDINGS_PROXY__RPC__STATUS_TO_CODE_TRANSFORMS"
    with pytest.raises(SettingsError) as raised:
        Settings.load(None, {variable: value})
    assert raised.value.message == f"{variable}: {PLACE} must be a list of tables, not {given}."


@pytest.mark.parametrize("event", ["disconnect", "unsubscribe", "state"])
def test_who_is_only_told_has_nothing_to_say(event: str) -> None:
    assert complaint(*ENTRIES, event=event) == (
        f'[proxy.{event}] has no key "status_to_code_transforms"; it is one of [proxy.connect], [proxy.refresh], '
        "[proxy.subscribe], [proxy.publish], [proxy.sub_refresh], [proxy.rpc]."
    )
