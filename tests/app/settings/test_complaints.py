"""What is said about settings of the wrong name or kind, word by word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tidings.app.settings import Settings
from tidings.errors import SettingsError

pytestmark = pytest.mark.core


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def in_file(text: str) -> str:
    """The complaint about a file."""
    Path("tidings.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as raised:
        Settings.load(None, {})
    return raised.value.message


def in_environment(**environ: str) -> str:
    with pytest.raises(SettingsError) as raised:
        Settings.load(None, environ)
    return raised.value.message


def in_overrides(overrides: dict[str, Any]) -> str:
    with pytest.raises(SettingsError) as raised:
        Settings.of(overrides)
    return raised.value.message


# Unknown names.


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[client]\nping_intervall = 5", '[client] has no key "ping_intervall"; did you mean "ping_interval"?'),
        ("[server]\nzzz = 5", '[server] has no key "zzz"; did you mean "workers"?'),
        ("[server]\nping_interval = 5", '[server] has no key "ping_interval"; did you mean [client] ping_interval?'),
        ("[channels]\nhistory = 5", '[channels] has no key "history"; did you mean "history_ttl"?'),
        (
            "[channels.namespaces.chat]\npresense = true",
            '[channels.namespaces.chat] has no key "presense"; did you mean "presence"?',
        ),
        (
            '[channels.namespaces."a.b"]\npresense = true',
            '[channels.namespaces."a.b"] has no key "presense"; did you mean "presence"?',
        ),
        ("[channels.chat]\npresence = true", '[channels] has no key "chat"; did you mean [channels.namespaces.chat]?'),
        ("[proxy.conect]\ntimeout = 1", '[proxy] has no key "conect"; did you mean "connect"?'),
        ("[proxy.rpc]\nendpont = 'x'", '[proxy.rpc] has no key "endpont"; did you mean "endpoint"?'),
        ("[proxy.rpc]\ndebounce = 1", '[proxy.rpc] has no key "debounce"; it is one of [proxy.state].'),
        (
            "[auth.issuers.a]\nuser = 'sub'",
            '[auth.issuers.a] has no key "user"; did you mean "issuer"?',
        ),
        ("[clint]\nping_interval = 5", "there is no section [clint]; did you mean [client]?"),
        ('["a b"]\nping_interval = 5', 'there is no section ["a b"]; did you mean ['),
        ("port = 8000", '"port" stands outside of any section; did you mean [server] port?'),
        ("prot = 8000", "there is no section [prot]; did you mean [proxy]?"),
    ],
)
def test_unknown_in_a_file(text: str, sentence: str) -> None:
    """An unknown key or section is refused with the file's name and the nearest known one."""
    assert in_file(text).startswith(f"tidings.toml: {sentence}")


def test_unknown_in_another_file(elsewhere: Path) -> None:
    """The file is called as the operator called it."""
    path = elsewhere / "production.toml"
    path.write_text("[log]\nlevle = 'info'")
    with pytest.raises(SettingsError) as raised:
        Settings.load(path, {})
    assert raised.value.message == f'{path}: [log] has no key "levle"; did you mean "level"?'


@pytest.mark.parametrize(
    ("variable", "sentence"),
    [
        ("TIDINGS_CLIENT__PING_INTERVALL", '[client] has no key "ping_intervall"; did you mean "ping_interval"?'),
        ("TIDINGS_CLINT__PING_INTERVAL", "there is no section [clint]; did you mean [client]?"),
        (
            "TIDINGS_CHANNELS__NAMESPACES__CHAT__PRESENSE",
            '[channels.namespaces.chat] has no key "presense"; did you mean "presence"?',
        ),
        ("TIDINGS_CHANNELS__CHAT__PRESENCE", '[channels] has no key "chat"; did you mean [channels.namespaces.chat]?'),
    ],
)
def test_unknown_in_the_environment(variable: str, sentence: str) -> None:
    """An unknown key of the environment is refused with the variable's name."""
    assert in_environment(**{variable: "5"}) == f"{variable}: {sentence}"


def test_unknown_in_the_overrides() -> None:
    """What the program gives has no file to name."""
    assert in_overrides({"server.prot": 1}) == '[server] has no key "prot"; did you mean "port"?'


# Wrong kinds.


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[client]\nping_interval = 'often'", '[client] ping_interval must be a number, not "often".'),
        ("[client]\nping_interval = true", "[client] ping_interval must be a number, not true."),
        ("[client]\nping_interval = [5]", "[client] ping_interval must be a number, not [5]."),
        ("[client]\nping_interval = inf", "[client] ping_interval must be a finite number, not Infinity."),
        ("[client]\nping_interval = -1", "[client] ping_interval must be at least 0, not -1."),
        ("[client]\npong_timeout = 0", "[client] pong_timeout must be above 0, not 0."),
        ("[client]\nping_interval.x = 1", "[client] ping_interval must be a number, not a table."),
        ("[client]\nchannel_limit = 1.5", "[client] channel_limit must be a whole number, not 1.5."),
        ("[client]\nchannel_limit = false", "[client] channel_limit must be a whole number, not false."),
        ("[client]\nchannel_limit = 2026-01-02", '[client] channel_limit must be a whole number, not "2026-01-02".'),
        ("[client]\nchannel_limit = -1", "[client] channel_limit must be at least 0, not -1."),
        ("[server]\nworkers = 0", "[server] workers must be at least 1, not 0."),
        ("[server]\nport = 65536", "[server] port must be at most 65535, not 65536."),
        ("[server]\nhost = 1", "[server] host must be a text in quotes, not 1."),
        ("[client]\nanonymous = 2", "[client] anonymous must be true or false, not 2."),
        ("[client]\nanonymous = 'perhaps'", '[client] anonymous must be true or false, not "perhaps".'),
        ("[client]\nallowed_origins = 1", "[client] allowed_origins must be a list of texts, not 1."),
        ("[client]\nallowed_origins = ['*', 1]", '[client] allowed_origins must be a list of texts, not ["*", 1].'),
        ("[log]\nformat = 'xml'", '[log] format must be "auto", "human" or "json", not "xml".'),
        ("[log]\nlevel = 'INFO'", '[log] level must be "debug", "info", "warning" or "error", not "INFO".'),
        ("[api]\nerror_mode = 'http'", '[api] error_mode must be "" or "transport", not "http".'),
        ("[broker]\nprefix = ''", '[broker] prefix must be a text that is not empty, not "".'),
        ("[channels]\npresence = 'x'", '[channels] presence must be true or false, not "x".'),
        ("[channels]\nhistory_ttl = -1", "[channels] history_ttl must be at least 0, not -1."),
        (
            "[channels.namespaces.chat]\nslow_policy = 'wait'",
            '[channels.namespaces.chat] slow_policy must be "disconnect", "drop_oldest" or "latest", not "wait".',
        ),
        ("[channels]\nnamespaces = 1", "[channels] namespaces must be a table, not 1."),
        ("[channels.namespaces]\nchat = 1", "[channels.namespaces] chat must be a table, not 1."),
        ("[proxy]\nconnect = 1", "[proxy] connect must be a table, not 1."),
        ("[proxy.rpc]\ntimeout = 0", "[proxy.rpc] timeout must be above 0, not 0."),
        ("client = 1", "[client] must be a table, not 1."),
        ("[server]\nport = '" + "x" * 70 + "'", '[server] port must be a whole number, not "' + "x" * 59 + "…."),
    ],
)
def test_wrong_in_a_file(text: str, sentence: str) -> None:
    """A value of the wrong kind is refused with its place, what was given and what is expected."""
    assert in_file(text) == f"tidings.toml: {sentence}"


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("TIDINGS_SERVER__PORT", "http", '[server] port must be a whole number, not "http".'),
        ("TIDINGS_SERVER__PORT", "", '[server] port must be a whole number, not "".'),
        ("TIDINGS_CLIENT__PING_INTERVAL", "nan", '[client] ping_interval must be a finite number, not "nan".'),
        ("TIDINGS_CLIENT__ALLOWED_ORIGINS", "[x", '[client] allowed_origins must be a list of texts, not "[x".'),
        ("TIDINGS_CLIENT__PING_INTERVAL__X", "5", "[client] ping_interval must be a number, not a table."),
    ],
)
def test_wrong_in_the_environment(variable: str, value: str, sentence: str) -> None:
    """In the environment it is the variable that is named."""
    assert in_environment(**{variable: value}) == f"{variable}: {sentence}"


def test_the_layer_on_top_is_to_blame() -> None:
    """When the environment replaces a good value of the file by a bad one, the variable is named."""
    Path("tidings.toml").write_text("[server]\nport = 1")
    assert in_environment(TIDINGS_SERVER__PORT="x") == (
        'TIDINGS_SERVER__PORT: [server] port must be a whole number, not "x".'
    )


@pytest.mark.parametrize("place", ["auth]\nhmac_secret", "auth]\nprevious_hmac_secret", "api]\nkey"])
def test_secrets_are_not_repeated(place: str) -> None:
    """A secret of the wrong type is not written into the complaint."""
    section, key = place.split("]\n")
    assert in_file(f"[{place} = 1234") == f"tidings.toml: [{section}] {key} must be a text in quotes."


def test_one_sentence() -> None:
    """Of several faults one is told; the exception has no cause that shows a library's own."""
    with pytest.raises(SettingsError) as raised:
        Settings.of({"server": {"port": "x", "host": 1, "zzz": 2}})
    assert raised.value.message == "[server] host must be a text in quotes, not 1."
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
