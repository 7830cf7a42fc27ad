"""What is different between two settings, and what of it may count at once."""

from __future__ import annotations

from typing import Any

import pytest

from tidings.app.renewal.differences import CERTIFICATE, KEYS, LOGS, Change, applicable, change, merged
from tidings.app.settings import Settings

pytestmark = pytest.mark.core

BEFORE: dict[str, Any] = {
    "auth": {"hmac_secret": "a", "issuers": {"idp": {"issuer": "i", "hmac_secret": "s"}}},
    "api": {"key": "k"},
    "server": {"tls_certificate": "c", "tls_key": "k"},
    "channels": {"namespaces": {"chat": {}}},
}


def differences(after: dict[str, Any], before: dict[str, Any] = BEFORE) -> Change:
    return change(Settings.of(before), Settings.of(after), (*KEYS, *CERTIFICATE, *LOGS))


def test_nothing() -> None:
    assert not differences(BEFORE)


def test_keys_count_at_once() -> None:
    """Each is named, and no value is."""
    after = {
        **BEFORE,
        "auth": {
            "previous_hmac_secret": "a",
            "issuers": {"idp": {"issuer": "i", "hmac_secret": "t"}, "more": {"issuer": "j", "hmac_secret": "s"}},
            "subscription": {"hmac_secret": "u"},
            "claims": {"user": "id"},
        },
        "api": {"key": "l"},
        "log": {"level": "debug"},
    }
    assert differences(after) == Change(
        (
            "[auth] hmac_secret",
            "[auth] previous_hmac_secret",
            "[auth.claims] user",
            "[auth.issuers.idp] hmac_secret",
            "[auth.issuers] more",
            "[auth.subscription] hmac_secret",
            "[api] key",
            "[log] level",
        )
    )


def test_the_rest_needs_a_restart() -> None:
    after = {
        **BEFORE,
        "server": {**BEFORE["server"], "port": 1},
        "api": {"key": "k", "insecure": True},
        "proxy": {"connect": {"timeout": 5}},
        "log": {"format": "json"},
        "channels": {"presence": True, "namespaces": {"chat": {"presence": True}, "news": {}}},
    }
    assert differences(after) == Change(
        (),
        (
            "[server] port",
            "[api] insecure",
            "[proxy.connect] timeout",
            "[log] format",
            "[channels] presence",
            "[channels.namespaces] chat",
            "[channels.namespaces] news",
        ),
    )


def test_only_what_is_live_is_taken() -> None:
    before = Settings.of(BEFORE)
    after = Settings.of(
        {"auth": {"hmac_secret": "b"}, "api": {"key": "l", "insecure": True}, "server": {"port": 1}, "client": {}}
    )
    found = merged(before, after, KEYS)
    assert (found.auth, found.api.secret) == (after.auth, "l")
    assert (found.api.insecure, found.server, found.namespaces) == (False, before.server, before.namespaces)


def test_a_server_keeps_speaking_tls_or_not() -> None:
    """Another certificate is one thing, no certificate another."""
    with_tls, without = Settings.of(BEFORE), Settings.of({})
    live = (*KEYS, *CERTIFICATE)
    assert applicable(live, with_tls, with_tls) == live
    assert list(applicable(live, with_tls, without)) == list(applicable(live, without, with_tls)) == list(KEYS)
