"""Settings that are each possible, and cannot be together or not in this version."""

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


def complaint(text: str, **environ: str) -> str:
    Path("tidings.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as raised:
        Settings.load(None, environ)
    return raised.value.message


SCHEMES = (
    "memory://, redis://, rediss://, redis+sentinel://, rediss+sentinel://, redis+cluster://, rediss+cluster://, "
    "nats://, tls://"
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "[server]\nworkers = 4",
            "[server] workers = 4 needs a broker between processes, and memory:// stays within one; set [broker] url.",
        ),
        ("[server]\ntls_certificate = 'a.pem'", "[server] tls_certificate needs tls_key; set both or neither."),
        ("[server]\ntls_key = 'a.pem'", "[server] tls_key needs tls_certificate; set both or neither."),
        ("[broker]\nurl = 'redsi://:pw@h'", f"[broker] url must begin with one of {SCHEMES}, not with redsi://."),
        ("[broker]\nurl = 'localhost:6379'", f"[broker] url must begin with one of {SCHEMES}."),
        ("[auth]\nrsa_public_key = 'x'", "[auth] rsa_public_key must be an RSA public key in PEM."),
        ("[auth]\necdsa_public_key = 'x'", "[auth] ecdsa_public_key must be an ECDSA public key in PEM."),
        ("[auth]\neddsa_public_key = 'x'", "[auth] eddsa_public_key must be an EdDSA public key in PEM."),
        (
            "[auth]\nhmac_secret = '-----BEGIN PUBLIC KEY-----\\nx\\n-----END PUBLIC KEY-----'".replace("'", '"'),
            "[auth] hmac_secret must be a secret of its own, not a key in PEM, SSH or JWK form.",
        ),
        ("[proxy.refresh]\ntimeout = 30", "[proxy.refresh] timeout must be at most 25, not 30."),
        ("[client]\nping_interval = 8", "[client] ping_interval = 8.0 must exceed pong_timeout = 8.0."),
        ("[client]\nping_interval = 5", "[client] ping_interval = 5.0 must exceed pong_timeout = 8.0."),
        (
            "[client]\nallowed_origins = ['*', 'app.example.com']",
            '[client] allowed_origins must name schemes, such as "https://*.example.com", '
            'and "app.example.com" has none.',
        ),
        (
            "[limits]\nconnects_per_user = 'fast'",
            "[limits] connects_per_user must be a number, a slash and a time in s, m or h, "
            'such as "20/10s", not "fast".',
        ),
        (
            "[limits]\napi_requests = '0/s'",
            '[limits] api_requests must allow from 1 to 100,000 at a time, not "0/s".',
        ),
        (
            "[limits]\ncommands_per_user = '5/25h'",
            '[limits] commands_per_user must be about a time from 1s to 24h, not "5/25h".',
        ),
        (
            "[server]\nhost = '0.0.0.0'\nport = 8123\ninternal_host = '127.0.0.1'\ninternal_port = 8123",
            "[server] internal_port = 8123 is that of the clients; choose another one.",
        ),
        (
            "[server]\ntrusted_proxies = ['127.0.0.1', 'nginx']",
            '[server] trusted_proxies holds addresses and networks, such as "10.0.0.0/8", and "nginx" is neither.',
        ),
        (
            "[server]\ntrusted_proxies = ['10.0.0.1/8']",
            '[server] trusted_proxies holds addresses and networks, such as "10.0.0.0/8", and "10.0.0.1/8" is neither; '
            'its network is "10.0.0.0/8".',
        ),
        *(
            (
                f"[proxy.connect]\nendpoint = '{endpoint}'",
                '[proxy.connect] endpoint must be an address such as "https://app.example.com/path".',
            )
            for endpoint in (
                "app.example",
                "ftp://a.example",
                "http://",
                "http://a:99999",
                "http://a b/",
                "http://[::1",
            )
        ),
        (
            "[proxy.rpc]\nhttp_headers = ['Cookie', 'a b']",
            '[proxy.rpc] http_headers holds "a b", which is no name of a header.',
        ),
        (
            "[proxy.rpc]\nhttp_headers = ['Content-Length']",
            '[proxy.rpc] http_headers holds "Content-Length", which is never passed on.',
        ),
        (
            "[proxy.rpc]\nendpoint = 'http://a.example'\nca_file = 'a.pem'",
            "[proxy.rpc] ca_file needs an endpoint that begins with https://.",
        ),
        (
            "[channels]\nsubscribe_proxy = true",
            "[channels] subscribe_proxy needs an endpoint; set [proxy.subscribe] endpoint.",
        ),
        (
            "[proxy.publish]\nendpoint = 'http://a.example'\n[channels.namespaces.chat]\nstate_proxy = true",
            "[channels.namespaces.chat] state_proxy needs an endpoint; set [proxy.state] endpoint.",
        ),
        (
            "[channels.namespaces.c]",
            '[channels.namespaces] "c" is not a name of two or more letters, digits, "-", "_" or ".".',
        ),
        (
            "[channels.namespaces.'a:b']",
            '[channels.namespaces] "a:b" is not a name of two or more letters, digits, "-", "_" or ".".',
        ),
        (
            "[channels.namespaces.'chat\u00e9']",
            '[channels.namespaces] "chat\u00e9" is not a name of two or more letters, digits, "-", "_" or ".".',
        ),
        ("[channels]\nallowed_delta_types = ['x']", '[channels] allowed_delta_types can hold "fossil" only, not "x".'),
        (
            "[channels]\nhistory_size = 1",
            "[channels]: history needs both history_size and history_ttl; set the other one too.",
        ),
        (
            "[tracing]\nendpoint = 'localhost:4318'",
            "[tracing] endpoint must begin with http:// or https://.",
        ),
        (
            "[channels.namespaces.chat]\nforce_recovery = true",
            "[channels.namespaces.chat]: recovery and positioning need a history; set history_size and history_ttl.",
        ),
        (
            "[channels.namespaces.chat]\nchannel_regex = '('",
            "[channels.namespaces.chat]: channel_regex is not a regular expression: "
            "missing ), unterminated subpattern at position 0.",
        ),
    ],
)
def test_refused(text: str, sentence: str) -> None:
    """The complaint is one sentence with the file, the place and what to change."""
    assert complaint(text) == f"tidings.toml: {sentence}"


@pytest.mark.parametrize(
    "text",
    [
        "[server]\nworkers = 4\n[broker]\nurl = 'redis://localhost'",
        "[server]\ntls_certificate = 'a.pem'\ntls_key = 'b.pem'",
        "[broker]\nurl = 'redis+sentinel://h1,h2/main/0'",
        "[broker]\nurl = 'rediss://h'",
        "[broker]\nurl = 'redis+cluster://h'",
        "[broker]\nurl = 'nats://h'",
        "[tracing]\nendpoint = 'https://h/otlp'\nsample_ratio = 0",
        "[client]\nping_interval = 8.1",
        "[client]\nping_interval = 0",
        "[client]\nallowed_origins = ['*', 'https://*.example.com']",
        "[channels.namespaces.'a.b-c_9']",
        "[proxy.publish]\nendpoint = 'http://[::1]:80/x?y=z'\n[channels.namespaces.chat]\npublish_proxy = true",
        "[proxy.rpc]\nendpoint = 'https://a.example'\nca_file = 'a.pem'\nhttp_headers = ['Cookie', 'x-real-ip']",
        "[channels]\nhistory_size = 1\nhistory_ttl = 1\nforce_recovery = true",
    ],
)
def test_accepted(text: str) -> None:
    """What goes together is not refused."""
    Path("tidings.toml").write_text(text)
    Settings.load(None, {})


def test_a_default_is_not_blamed_on_anybody() -> None:
    """When what is objected to was left at its default, no file is named as its origin."""
    assert complaint("[client]\npong_timeout = 30") == (
        "[client] ping_interval = 25.0 must exceed pong_timeout = 30.0."
    )


def test_all_who_spoke_of_a_namespace_are_named() -> None:
    """When the file and a variable contradict each other within a namespace, both are named."""
    assert complaint(
        "[channels.namespaces.chat]\nhistory_size = 1\nhistory_ttl = 1",
        TIDINGS_CHANNELS__NAMESPACES__CHAT__HISTORY_TTL="0",
    ) == (
        "tidings.toml and TIDINGS_CHANNELS__NAMESPACES__CHAT__HISTORY_TTL: [channels.namespaces.chat]: "
        "history needs both history_size and history_ttl; set the other one too."
    )
