"""What an operator sees of keys and settings: lines and numbers."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest

from tidings import events
from tidings.clock import ManualClock
from tidings.events import Fact
from tidings.observability import logs
from tidings.observability.logs import LogListener
from tidings.observability.metrics import Metrics

pytestmark = pytest.mark.core


def lines(*facts: Fact, level: str = "info") -> list[dict[str, Any]]:
    """What is written about facts of one moment, without the time and the logger's name."""
    stream = StringIO()
    logs.configure("json", level, stream)
    listener = LogListener(ManualClock())
    for fact in facts:
        listener(fact)
    written = [json.loads(line) for line in stream.getvalue().splitlines()]
    return [{key: value for key, value in line.items() if key not in ("time", "logger")} for line in written]


def numbers(*facts: Fact) -> dict[str, float]:
    metrics = Metrics("1", users=lambda: 0, channels=dict)
    for fact in facts:
        metrics(fact)
    rows = [row for row in metrics.exposition("")[0].decode().splitlines() if not row.startswith("#")]
    found = {name: float(value) for name, _, value in (row.rpartition(" ") for row in rows)}
    return {name: value for name, value in found.items() if "key" in name or "token" in name or "reload" in name}


def refused(reason: str, kind: str = "connection", detail: str = "") -> events.TokenRefused:
    return events.TokenRefused(kind, reason, detail, "c-1", "ada")


def test_a_refused_token() -> None:
    """Once a second for each kind and reason; one that has run out is the daily come and go."""
    facts = [refused("signature"), refused("signature"), refused("signature", "subscription"), refused("expired")]
    assert [(line["level"], line["message"], line["kind"], line["reason"]) for line in lines(*facts)] == [
        ("info", "token refused", "connection", "signature"),
        ("info", "token refused", "subscription", "signature"),
    ]
    assert lines(refused("expired"), level="debug")[0]["level"] == "debug"
    assert numbers(*facts) == {
        'tidings_tokens_refused_total{kind="connection",reason="signature"}': 2,
        'tidings_tokens_refused_total{kind="subscription",reason="signature"}': 1,
        'tidings_tokens_refused_total{kind="connection",reason="expired"}': 1,
    }


def test_a_name_that_would_be_a_line_of_its_own() -> None:
    """What a token calls its key is written as an escape where it would be more than a word."""
    stream = StringIO()
    logs.configure("human", "info", stream)
    LogListener(ManualClock())(refused("unknown_key", detail="a\n2026-01-01 info all is well\x1b[2J"))
    assert len(stream.getvalue().splitlines()) == 1 and "\x1b" not in stream.getvalue()


def test_keys_that_come_and_do_not() -> None:
    """A line where they are others than before, where there is none, and where they cannot be fetched."""
    fetched = events.KeysFetched("auth", 2, 1, changed=True)
    missed = events.KeysUnreachable("auth", "https://a/b", "the answer has status 500", 2)
    again = events.KeysFetched("auth", 2, 1, changed=False)
    none = events.KeysFetched("auth.issuers.idp", 0, 3, changed=True)
    assert [(line["level"], line["message"]) for line in lines(fetched, missed, again, none)] == [
        ("info", "keys fetched"),
        ("warning", "keys not fetched"),
        ("warning", "no usable key published"),
    ]
    assert numbers(fetched, missed) == {
        'tidings_key_fetches_total{outcome="ok",source="auth"}': 1,
        'tidings_key_fetches_total{outcome="failed",source="auth"}': 1,
        'tidings_keys{source="auth"}': 2,
        'tidings_keys_away{source="auth"}': 1,
    }
    assert numbers(missed, again)['tidings_keys_away{source="auth"}'] == 0


def test_settings_that_are_read_anew() -> None:
    """What has changed, what needs a restart in a sentence of its own, and why nothing has changed."""
    reloaded = events.SettingsReloaded(("[auth] hmac_secret", "[api] key"), ("[server] port",))
    assert lines(reloaded) == [
        {"level": "info", "message": "settings reloaded", "changed": "[auth] hmac_secret, [api] key"},
        {"level": "warning", "message": "needs a restart: [server] port"},
    ]
    wrong = events.SettingsRefused("tidings.toml does not exist.")
    assert lines(events.SettingsReloaded((), ()), wrong) == [
        {"level": "info", "message": "settings reloaded", "changed": "nothing"},
        {
            "level": "error",
            "message": "settings not reloaded, all stays as it was",
            "reason": "tidings.toml does not exist.",
        },
    ]
    assert numbers(reloaded, wrong, wrong) == {
        'tidings_reloads_total{outcome="restart_needed"}': 1,
        'tidings_reloads_total{outcome="refused"}': 2,
    }
