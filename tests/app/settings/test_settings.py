"""The settings as a whole: their defaults, where they come from, what is shown of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.app.settings import Settings
from tidings.app.settings.sections import SECTIONS
from tidings.channels.options import ChannelOptions, RecoveryMode, SlowPolicy
from tidings.errors import SettingsError
from tidings.gateway.tokens import TokenRules

pytestmark = pytest.mark.core

SIGNER = {
    "hmac_secret": "",
    "hmac_secret_file": "",
    "previous_hmac_secret": "",
    "previous_hmac_secret_file": "",
    "rsa_public_key": "",
    "ecdsa_public_key": "",
    "eddsa_public_key": "",
    "jwks_url": "",
    "jwks_ttl": 3600.0,
    "audience": "",
    "issuer": "",
    "claims": {"user": "sub", "info": "info", "meta": "meta", "channels": "channels"},
    "issuers": {},
}
ENDPOINT: dict[str, Any] = {
    "endpoint": "",
    "timeout": 1.0,
    "http_headers": [],
    "emulated_headers": True,
    "secret": "",
    "ca_file": "",
    "concurrency": 64,
}
ASKED = {"queue_limit": 1024, "answer_limit_bytes": 65536, "binary": False, "status_to_code_transforms": []}
TOLD = {
    "concurrency": 8,
    "queue_limit": 50000,
    "queue_limit_bytes": 16777216,
    "flush_timeout": 5.0,
    "retry_for": 300.0,
}

DEFAULTS = {
    "server": {
        "host": "127.0.0.1",
        "port": 8000,
        "workers": 1,
        "drain_timeout": 10.0,
        "tls_certificate": "",
        "tls_key": "",
        "trusted_proxies": ["127.0.0.1"],
        "internal_host": "",
        "internal_port": 0,
        "handshake_timeout": 10.0,
        "request_timeout": 60.0,
    },
    "broker": {
        "url": "memory://",
        "prefix": "tidings",
        "publish_timeout": 5.0,
        "publish_queue_limit": 10000,
        "lease": 30.0,
    },
    "auth": {**SIGNER, "subscription": SIGNER},
    "api": {"key": "", "key_file": "", "insecure": False, "error_mode": ""},
    "client": {
        "insecure": False,
        "anonymous": False,
        "allowed_origins": [],
        "personal_channel": True,
        "ping_interval": 25.0,
        "pong_timeout": 8.0,
        "stale_timeout": 10.0,
        "message_limit_bytes": 65536,
        "channel_limit": 128,
        "queue_limit_bytes": 1048576,
        "command_queue_limit": 1024,
        "history_limit": 300,
        "user_connection_limit": 0,
        "connection_limit": 0,
        "compression": False,
    },
    "limits": {
        "connects_per_address": "",
        "connects_per_user": "",
        "commands_per_connection": "",
        "commands_per_user": "",
        "api_requests": "",
    },
    "proxy": {
        **dict.fromkeys(("connect", "refresh", "subscribe", "publish", "sub_refresh", "rpc"), ENDPOINT | ASKED),
        **dict.fromkeys(("disconnect", "unsubscribe"), ENDPOINT | TOLD),
        "state": ENDPOINT | TOLD | {"debounce": 1.0},
    },
    "log": {"format": "auto", "level": "info"},
    "tracing": {"enabled": False, "sample_ratio": 1.0, "endpoint": "", "service_name": ""},
    "diagnostics": {"echo": False},
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(text: str = "", environ: Mapping[str, str] = {}, overrides: Mapping[str, Any] = {}) -> Settings:
    path = Path("tidings.toml")
    path.write_text(text, encoding="utf-8")
    return Settings.load(path, environ, overrides)


# Values.


def test_defaults() -> None:
    """Without a file and variables, the settings are the documented defaults, and so they are when made by hand."""
    shown = Settings.load(environ={}).shown()
    channels = shown.pop("channels")
    assert shown == DEFAULTS
    assert channels["namespaces"] == {}
    assert Settings.load(environ={}) == Settings.of({}) == Settings()
    assert Settings().channels == ChannelOptions()


def test_values_of_every_kind() -> None:
    """A file's numbers, texts, switches, lists and choices arrive with their types."""
    settings = load(
        """
        [server]
        port = 0
        drain_timeout = 3
        trusted_proxies = ["10.0.0.1", "10.0.0.2"]
        [client]
        insecure = true
        [log]
        format = "json"
        [api]
        error_mode = "transport"
        """
    )
    assert (settings.server.port, settings.server.drain_timeout) == (0, 3.0)
    assert settings.server.trusted_proxies == ("10.0.0.1", "10.0.0.2")
    assert settings.client.insecure is True
    assert (settings.log.format, settings.api.error_mode) == ("json", "transport")


def test_channels() -> None:
    """Options without a namespace and of each namespace are values; a namespace inherits nothing from the others."""
    settings = load(
        """
        [channels]
        presence = true
        history_size = 5
        history_ttl = 60
        [channels.namespaces.chat]
        force_recovery_mode = "cache"
        slow_policy = "latest"
        allowed_delta_types = ["fossil"]
        subscribe_proxy = true
        [channels.namespaces."a.b-c_D2"]
        [proxy.subscribe]
        endpoint = "http://app.example/subscribe"
        """
    )
    assert settings.channels == ChannelOptions(presence=True, history_size=5, history_ttl=60.0)
    assert settings.namespaces == {
        "chat": ChannelOptions(
            force_recovery_mode=RecoveryMode.CACHE,
            slow_policy=SlowPolicy.LATEST,
            allowed_delta_types=("fossil",),
            subscribe_proxy=True,
        ),
        "a.b-c_D2": ChannelOptions(),
    }


def test_every_channel_option_can_be_set() -> None:
    """Whatever the options of a namespace are, the settings have a key for each."""
    assert list(SECTIONS["channels"].model_fields) == [*ChannelOptions.__struct_fields__, "namespaces"]


# Layers.


def test_file_then_environment_then_overrides() -> None:
    """The environment wins over the file, and what the program says over both; the rest stays."""
    file = "[client]\nping_interval = 31\npong_timeout = 11\nstale_timeout = 21"
    environ = {"TIDINGS_CLIENT__PING_INTERVAL": "32", "TIDINGS_CLIENT__PONG_TIMEOUT": "12"}
    client = load(file, environ, {"client": {"ping_interval": 33}}).client
    assert (client.ping_interval, client.pong_timeout, client.stale_timeout) == (33.0, 12.0, 21.0)
    assert client.channel_limit == 128


def test_environment_of_every_kind() -> None:
    """A variable's text is understood as its key has it: numbers, switches, lists, texts that look like numbers."""
    environ = {
        "TIDINGS_SERVER__PORT": "9000",
        "TIDINGS_CLIENT__PING_INTERVAL": "2.5e1",
        "TIDINGS_CLIENT__ANONYMOUS": "true",
        "TIDINGS_CLIENT__PERSONAL_CHANNEL": "0",
        "TIDINGS_CLIENT__ALLOWED_ORIGINS": "https://a.example, https://b.example,",
        "TIDINGS_SERVER__TRUSTED_PROXIES": '["10.0.0.1", "10.0.0.2"]',
        "TIDINGS_PROXY__CONNECT__TIMEOUT": "2",
        "TIDINGS_API__KEY": "12345",
        "TIDINGS_CHANNELS__HISTORY_SIZE": "10",
        "TIDINGS_CHANNELS__HISTORY_TTL": "60",
        "TIDINGS_CHANNELS__NAMESPACES__CHAT__PRESENCE": "true",
        "TIDINGS_CHANNELS__NAMESPACES__CHAT__SLOW_POLICY": "drop_oldest",
    }
    settings = Settings.load(None, environ)
    assert settings.server.port == 9000
    assert (settings.client.ping_interval, settings.client.anonymous) == (25.0, True)
    assert settings.client.personal_channel is False
    assert settings.client.allowed_origins == ("https://a.example", "https://b.example")
    assert settings.server.trusted_proxies == ("10.0.0.1", "10.0.0.2")
    assert settings.proxy.connect.timeout == 2.0
    assert settings.api.secret == "12345"
    assert settings.channels == ChannelOptions(history_size=10, history_ttl=60.0)
    assert settings.namespaces == {"chat": ChannelOptions(presence=True, slow_policy=SlowPolicy.DROP_OLDEST)}


def test_environment_completes_a_namespace_of_the_file() -> None:
    """File and environment speak of the same namespace, key by key."""
    settings = load(
        "[channels.namespaces.chat]\npresence = true",
        {"TIDINGS_CHANNELS__NAMESPACES__CHAT__JOIN_LEAVE": "true"},
    )
    assert settings.namespaces == {"chat": ChannelOptions(presence=True, join_leave=True)}


def test_overrides() -> None:
    """Overrides are nested or dotted; a None is a flag that was not given."""
    settings = load(
        "[server]\nport = 1",
        overrides={"server.port": 2, "server": {"host": "::1", "workers": None}, "broker.url": None, "log": None},
    )
    assert (settings.server.port, settings.server.host, settings.server.workers) == (2, "::1", 1)
    assert settings.broker.url == "memory://"


def test_which_file(elsewhere: Path) -> None:
    """The file is the given one, else the one TIDINGS_CONFIG names, else ./tidings.toml."""
    for number, name in enumerate(("tidings.toml", "named.toml", "given.toml"), start=1):
        (elsewhere / name).write_text(f"[server]\nport = {number}")
    named = {"TIDINGS_CONFIG": "named.toml"}
    assert Settings.load(Path("given.toml"), named).server.port == 3
    assert Settings.load(None, named).server.port == 2
    assert Settings.load(None, {"TIDINGS_CONFIG": ""}).server.port == 1
    assert Settings.load(None, {}).server.port == 1
    assert Settings.of({}).server.port == 8000


def test_the_environment_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless told otherwise, the environment is the process's own."""
    monkeypatch.setenv("TIDINGS_SERVER__PORT", "9000")
    assert Settings.load().server.port == 9000


# Secrets.

SECRETS = """
[auth]
hmac_secret = "one secret"
previous_hmac_secret = "two secret"
audience = "us"
[api]
key = "three secret"
[broker]
url = "redis://user:four%20secret@host:6379/0"
"""


def test_secrets_are_masked() -> None:
    """Neither what is shown nor the text of the settings holds a secret, not even one inside a URL."""
    settings = load(SECRETS)
    shown = settings.shown()
    assert shown["auth"]["hmac_secret"] == shown["auth"]["previous_hmac_secret"] == "**********"
    assert shown["api"]["key"] == "**********"
    assert shown["broker"]["url"] == "redis://user:**********@host:6379/0"
    assert "secret'" not in repr(settings)
    assert "four" not in repr(settings)
    assert "secret@" not in str(shown)


def test_secrets_of_endpoints_are_masked() -> None:
    """What signs the calls, and the password in an address."""
    endpoint = {"endpoint": "https://user:five%20secret@app.example/x", "secret": "six secret"}
    settings = Settings.of({"proxy": {"connect": endpoint, "state": endpoint}})
    shown = settings.shown()["proxy"]["connect"]
    assert (shown["endpoint"], shown["secret"]) == ("https://user:**********@app.example/x", "**********")
    assert "secret'" not in repr(settings) and "five" not in repr(settings)
    assert settings.proxy.state.terms["secret"] == "six secret"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost", "redis://localhost"),
        ("nats://token@localhost", "nats://**********@localhost"),
        ("nats://user:pass@localhost,other", "nats://user:**********@localhost,other"),
        ("redis://:p@ss@localhost/1", "redis://:**********@localhost/1"),
        ("redis+sentinel://:pw@h1,h2/main/0", "redis+sentinel://:**********@h1,h2/main/0"),
        ("nats://user:pw@h1,nats://user:pw@h2", "nats://user:**********@h2"),
    ],
)
def test_passwords_in_urls(url: str, shown: str) -> None:
    """The password, or token, of a broker's URL is masked, wherever it ends; what has none stays."""
    assert Settings.of({"broker.url": url}).shown()["broker"]["url"] == shown


def test_a_password_of_the_collector_is_masked() -> None:
    """Better places for it are the standard variables; where it is in the address all the same, it is not shown."""
    settings = Settings.of({"tracing.endpoint": "https://user:hunter2@h/otlp"})
    assert settings.shown()["tracing"]["endpoint"] == "https://user:**********@h/otlp"
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize("ratio", ["-0.1", "1.1", "true", "nan"])
def test_a_ratio_is_between_none_and_all(ratio: str) -> None:
    with pytest.raises(SettingsError, match="sample_ratio must be"):
        load(f"[tracing]\nsample_ratio = {ratio}")


def test_secrets_can_be_used() -> None:
    """Who needs them gets them in plain text: as the rules for tokens, and as the API's key."""
    settings = load(SECRETS)
    assert settings.auth.rules == TokenRules(hmac_secret="one secret", previous_hmac_secret="two secret", audience="us")
    assert settings.api.secret == "three secret"


def test_shown_loads_again() -> None:
    """What is shown has the form of the file: read again, it is the same settings."""
    settings = load("[server]\nport = 1\n[channels.namespaces.chat]\npresence = true\nslow_policy = 'latest'")
    assert Settings.of(settings.shown()) == settings


# Whatever is given.

SCALARS = (
    st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["", "-1", "nan", "1e999", "[", "[1]", "{}", "memory://", "cache", "9" * 5000])
    | st.dates()
)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(max_size=5), SCALARS, max_size=2)
KEYS = [(section, key) for section, model in SECTIONS.items() for key in model.model_fields]


@given(st.sampled_from(KEYS), VALUES)
def test_any_value(key: tuple[str, str], value: object) -> None:
    """Any value for any key gives settings, or a `SettingsError` of one sentence that names the section."""
    section, name = key
    try:
        Settings.of({section: {name: value}})
    except SettingsError as error:
        assert f"[{section}" in error.message
        assert error.message.endswith((".", "?"))
        assert error.__cause__ is None or "pydantic" not in type(error.__cause__).__module__


@given(st.dictionaries(st.text(min_size=1, max_size=8), VALUES, max_size=2))
def test_any_sections(overrides: dict[str, object]) -> None:
    """Any sections at all give settings or a `SettingsError`."""
    try:
        Settings.of(overrides)
    except SettingsError as error:
        assert error.message
