"""What the settings alone tell."""

from __future__ import annotations

from typing import Any

import pytest

from tidings.app.doctor.configuration import judge
from tidings.app.settings import Settings
from tidings.findings import Level

pytestmark = pytest.mark.core

SECRET, KEY = "kP2x_9Qw-7Zr4LmN8vBc1TyU6sDf3GhJ5aEoXiRq", "Wn5-cY8uJ_3kHdT1pZqL6bRx"
GOOD: dict[str, Any] = {"auth.hmac_secret": SECRET, "api.key": KEY}


def found(**settings: Any) -> dict[str, tuple[Level, str]]:
    """What is not as it should be, by subject; the names of settings have __ for the dot."""
    given = {name.replace("__", "."): value for name, value in settings.items()}
    findings = judge(Settings.of({**GOOD, **given}))
    return {one.subject: (one.level, one.text) for one in findings if one.level is not Level.OK}


def test_good_ones() -> None:
    assert found() == {}


def test_defaults_let_nobody_in() -> None:
    """Which is safe, and hardly what somebody wants."""
    findings = {one.subject: one.level for one in judge(Settings())}
    assert (findings["tokens"], findings["API"]) == (Level.WARNING, Level.WARNING)


@pytest.mark.parametrize("setting", ["auth__hmac_secret", "auth__previous_hmac_secret", "api__key"])
def test_a_secret_that_can_be_guessed(setting: str) -> None:
    """The finding names the setting, never the secret, and says how to make a good one."""
    level, text = found(**{setting: "changeme"})["secrets"]
    assert level is Level.PROBLEM
    assert setting.partition("__")[2] in text
    assert "changeme" not in text
    assert "token_urlsafe" in text


def test_secrets_of_other_issuers() -> None:
    """Each is named by the place where it stands."""
    level, text = found(auth__subscription={"hmac_secret": "changeme"})["secrets"]
    assert (level, "[auth.subscription] hmac_secret" in text) == (Level.PROBLEM, True)


def test_what_webhooks_are_signed_with() -> None:
    """Endpoints may share it among them, and with nobody else."""
    signed = {event: {"endpoint": "http://localhost/", "secret": "z" + KEY} for event in ("rpc", "publish")}
    assert "secrets" not in found(proxy=signed)
    level, text = found(proxy={"rpc": {"secret": "changeme"}})["secrets"]
    assert (level, "[proxy.rpc] secret" in text) == (Level.PROBLEM, True)
    level, text = found(proxy={"rpc": {"secret": KEY}})["secrets"]
    assert (level, "[proxy.rpc] secret" in text) == (Level.PROBLEM, True)


def test_a_short_secret() -> None:
    level, text = found(auth__hmac_secret="kR9vTq2mXw8LzPfC")["secrets"]
    assert (level, "kR9v" in text) == (Level.WARNING, False)


def test_a_secret_that_serves_twice() -> None:
    """A back end's key would let whoever has it make tokens."""
    level, text = found(api__key=SECRET)["secrets"]
    assert (level, "[api] key" in text) == (Level.PROBLEM, True)


@pytest.mark.parametrize("setting", ["client__insecure", "api__insecure"])
def test_insecure(setting: str) -> None:
    """On this machine alone it may be meant; where others can reach it, it cannot."""
    here, elsewhere = found(**{setting: True}), found(**{setting: True, "server__host": "0.0.0.0"})
    subject = "permissions" if "client" in setting else "API"
    assert (here[subject][0], elsewhere[subject][0]) == (Level.WARNING, Level.PROBLEM)


def test_every_origin() -> None:
    assert found(client__allowed_origins=["*"])["origins"][0] is Level.WARNING
    assert "origins" not in found(client__allowed_origins=["https://app.example.com"])


def test_without_encryption() -> None:
    assert found(server__host="0.0.0.0")["TLS"][0] is Level.WARNING


def test_an_internal_address_for_others() -> None:
    """It has no TLS."""
    assert found(server__internal_host="10.0.0.1")["internal address"][0] is Level.WARNING
    assert found(server__internal_port=9000) == {}


@pytest.mark.parametrize("trusted", ["*", "0.0.0.0/0", "::/0"])
def test_everybody_a_trusted_proxy(trusted: str) -> None:
    assert found(server__trusted_proxies=[trusted])["proxies"][0] is Level.PROBLEM


@pytest.mark.parametrize("interval", [0, 60, 300])
def test_pings(interval: float) -> None:
    assert found(client__ping_interval=interval)["pings"][0] is Level.WARNING
