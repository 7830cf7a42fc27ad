"""`tidings token` signs with the key that counts for what the token is for."""

from __future__ import annotations

from pathlib import Path

import jwt
import pytest
from tests.world.command import run, written

pytestmark = [pytest.mark.world, pytest.mark.L3]

OURS, APART = "the secret of connections, 32 characters", "the secret of subscriptions, 32 characters"


def test_subscription_tokens_have_keys_of_their_own(tmp_path: Path) -> None:
    config = written({"auth": {"hmac_secret": OURS, "subscription": {"hmac_secret": APART}}}, tmp_path)
    made = run("token", "--config", config, "--user", "ada").stdout.strip()
    assert jwt.decode(made, OURS, algorithms=["HS256"])["sub"] == "ada"
    made = run("token", "--config", config, "--user", "ada", "--channel", "$deals").stdout.strip()
    assert jwt.decode(made, APART, algorithms=["HS256"])["channel"] == "$deals"


def test_without_a_secret_of_their_own(tmp_path: Path) -> None:
    """The one of connections would make a token that nobody takes."""
    auth = {"hmac_secret": OURS, "subscription": {"jwks_url": "https://id.example.com/jwks.json"}}
    refused = run("token", "--config", written({"auth": auth}, tmp_path), "--user", "ada", "--channel", "$deals")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("tidings: there is no [auth.subscription] hmac_secret")
