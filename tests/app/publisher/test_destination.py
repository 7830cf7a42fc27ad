"""Arguments: what is wrong with them is one sentence, when the publisher is made, and never tells a secret."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from tidings import AsyncPublisher, Publisher
from tidings.app.settings import Settings
from tidings.errors import SettingsError

pytestmark = pytest.mark.core


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("memory://", "memory:// is inside of one process, so nobody would hear; give the server's http:// URL."),
        ("host:8000", "host:8000 is neither a server, http://host:8000, nor a broker such as redis://host."),
        (
            "kafka://u:secret@host",
            "kafka://host is neither a server, http://host:8000, nor a broker such as redis://host.",
        ),
        ("http://", "http:// is not an address; write http://host:port."),
        ("http://host?key=1", "http://host?key=1 is not an address; write http://host:port."),
        ("http://u:secret@host", "the server's URL has a user or a password, which Tidings does not know; give key=."),
        ("redis://", "[broker] url: a host is missing, such as redis://localhost:6379."),
    ],
)
def test_addresses(url: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Publisher(url)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        (None, {}),
        ("http://host", {"settings": {}}),
        ("http://host", {"verify": "ca.pem"}),
        ("https://host", {"verify": False}),
        ("redis://host", {"key": "k"}),
    ],
)
def test_what_does_not_go_together(url: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Publisher(url, **arguments)


@pytest.mark.parametrize("arguments", [{"timeout": 0}, {"timeout": float("inf")}, {"queue_limit": 0}])
def test_numbers(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="above zero"):
        Publisher("http://host", **arguments)


def test_a_file_of_certificates_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"verify: .* is not a file with certificates in PEM"):
        Publisher("https://host", verify=tmp_path / "missing.pem")


def test_a_key_that_cannot_be_a_header() -> None:
    with pytest.raises(SettingsError) as caught:
        Publisher("http://host", key="se\ncret")
    assert "cret" not in str(caught.value)


def test_what_the_broker_cannot_do_is_said_at_once() -> None:
    with pytest.raises(SettingsError, match="history_size needs a broker that keeps history"):
        Publisher("nats://host", settings={"channels": {"history_size": 1, "history_ttl": 1}})


def test_settings_as_the_server_has_them(tmp_path: Path) -> None:
    """In every form that a hub takes; the URL is the publisher's own."""
    file = tmp_path / "tidings.toml"
    file.write_text('[broker]\nurl = "memory://"\nprefix = "mine"\n')
    for settings in (file, str(file), Settings.load(file, {}), {"broker.prefix": "mine"}):
        assert repr(Publisher("redis://:secret@host/3", settings=settings)) == "<Publisher to redis://host/3>"
    file.write_text("[broker]\nprefixx = 1\n")
    with pytest.raises(SettingsError, match="prefix"):
        Publisher("redis://host", settings=file)


@pytest.mark.parametrize("kind", [Publisher, AsyncPublisher])
def test_nothing_secret_is_shown(kind: Any) -> None:
    shown = repr(kind("https://host:8000/realtime/", key="secret", verify=ssl.create_default_context()))
    assert shown == f"<{kind.__name__} to https://host:8000/realtime>"
    assert "secret" not in repr(kind("rediss://user:secret@host:6380/0", settings={}))
