"""Where settings come from, and what is said when they cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidings.app.settings import Settings
from tidings.errors import SettingsError

pytestmark = pytest.mark.core


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(path: Path | None, environ: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as raised:
        Settings.load(path, environ)
    return raised.value.message


# Files.


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[client\n", "tidings.toml, line 1: expected ']' at the end of a table declaration."),
        ("[client]\n\nping_interval 5", "tidings.toml, line 3: expected '=' after a key in a key/value pair."),
        ("[client]\nping_interval = ", "tidings.toml, line 2: invalid value."),
        ("[log]\nlevel = 'info\n", "tidings.toml, line 2: "),
        ("[log]\nlevel = 'info'\nlevel = 'debug'\n\n\n", "tidings.toml, line 3: cannot overwrite a value."),
    ],
)
def test_broken_toml(elsewhere: Path, text: str, sentence: str) -> None:
    """What is not TOML is told with its file, its line and what is wrong there."""
    (elsewhere / "tidings.toml").write_text(text)
    assert refusal(None, {}).startswith(sentence)


def test_missing_file() -> None:
    """A file that was asked for and is not there is an error, not the defaults."""
    assert refusal(Path("none.toml"), {}) == "none.toml does not exist."


def test_missing_file_of_the_environment() -> None:
    """When a variable asked for it, the variable is named."""
    named = {"TIDINGS_CONFIG": "none.toml"}
    assert refusal(None, named) == "TIDINGS_CONFIG names none.toml, which does not exist."


def test_folder(elsewhere: Path) -> None:
    """What is there but no file is told as the system tells it."""
    (elsewhere / "tidings.toml").mkdir()
    assert refusal(None, {}) == "tidings.toml cannot be read: Is a directory."


def test_not_text(elsewhere: Path) -> None:
    """A file in another encoding is told so."""
    (elsewhere / "tidings.toml").write_bytes(b"[log] # \xff\n")
    assert refusal(None, {}) == "tidings.toml cannot be read: it is not UTF-8 text."


# Variables.


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("TIDINGS_SERVER_PORT", "TIDINGS_SERVER__PORT"),
        ("TIDINGS_CLIENT_PING_INTERVAL", "TIDINGS_CLIENT__PING_INTERVAL"),
        ("TIDINGS_CHANNELS_HISTORY_SIZE", "TIDINGS_CHANNELS__HISTORY_SIZE"),
    ],
)
def test_one_underscore(variable: str, meant: str) -> None:
    """A setting's variable with one underscore where two belong is not passed over in silence."""
    assert refusal(None, {variable: "1"}) == f"{variable} is not a setting; did you mean {meant}?"


def test_variables_of_others() -> None:
    """Other variables that begin alike are left alone, also those that Kubernetes sets for a service of that name."""
    environ = {
        "TIDINGS_HOME": "/somewhere",
        "TIDINGS_CONFIG": "",
        "TIDINGS_SERVER_PORT": "tcp://10.0.0.1:8000",
        "TIDINGS_SERVER_PORT_8000_TCP": "tcp://10.0.0.1:8000",
        "TIDINGS_PORT": "tcp://10.0.0.1:8000",
        "tidings_server__port": "9",
        "XTIDINGS_SERVER__PORT": "9",
    }
    assert Settings.load(None, environ) == Settings()


def test_bytes_that_are_no_text() -> None:
    """A variable that the system cannot decode is told by its name, before it can fail as a key or a path."""
    assert refusal(None, {"TIDINGS_AUTH__HMAC_SECRET": "\udcff"}) == "TIDINGS_AUTH__HMAC_SECRET is not UTF-8 text."


def test_value_and_table_at_once() -> None:
    """A variable cannot be a value while another one puts keys below it."""
    environ = {"TIDINGS_CHANNELS__NAMESPACES": "x", "TIDINGS_CHANNELS__NAMESPACES__CHAT__PRESENCE": "true"}
    assert refusal(None, environ) == (
        "TIDINGS_CHANNELS__NAMESPACES__CHAT__PRESENCE: "
        "TIDINGS_CHANNELS__NAMESPACES is a value and cannot have keys of its own."
    )
