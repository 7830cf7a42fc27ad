"""docs/auth.md: its settings are good, and its words and numbers are those of the code."""

from __future__ import annotations

import re
import tomllib

import pytest
from tests.docs.pages import blocks, page, rows, section

from tidings.app.renewal import differences
from tidings.app.renewal.files import INTERVAL as LOOK
from tidings.app.settings import Settings
from tidings.app.settings.auth import Claims, Signer
from tidings.gateway.keys.endpoint import INTERVAL
from tidings.gateway.keys.jwks import CANDIDATES, RSA_BITS
from tidings.gateway.keys.retrieval import LIMIT_BYTES, TIMEOUT, TTL_FLOOR
from tidings.gateway.signatures import LENGTH_LIMIT, Keys, Reason

pytestmark = pytest.mark.core

PAGE = page("auth.md")
TEXT = " ".join(PAGE.split())


@pytest.mark.parametrize("block", blocks(PAGE, "toml"))
def test_the_settings_are_good(block: str) -> None:
    """Each block is taken as it stands, and lets somebody in or only says where claims are."""
    settings = Settings.of(tomllib.loads(block))
    assert settings.lets_somebody_in or settings.auth.claims != Claims()


def test_what_the_examples_mean() -> None:
    """Several issuers, subscriptions apart, claims at other places."""
    _, _, several, apart, claims = (Settings.of(tomllib.loads(block)).auth for block in blocks(PAGE, "toml"))
    assert [issuer.claims.user for issuer in several.issuers.values()] == ["sub", "employee_id"]
    assert several.subscriptions is None and apart.subscriptions is not None
    assert claims.claims.info == "/profile/public"


def test_every_key_is_there() -> None:
    documented = {name for cells in rows(PAGE) for name in re.findall(r"`(\w+)`", cells[0])}
    assert documented == {*Keys.__struct_fields__, "jwks_url", "jwks_ttl"}
    files = {name for name in Signer.model_fields if name.endswith("_file")}
    assert all(f"`{name}`" in PAGE for name in files)
    assert all(f"`{name}`" in TEXT for name in Claims.model_fields)


def test_every_reason_is_explained() -> None:
    table = rows(section(PAGE, "Why a token was refused"))
    assert [name for cells in table for name in re.findall(r"`(\w+)`", cells[0])] == [reason.value for reason in Reason]


def test_what_counts_at_once() -> None:
    """The table says what the code takes live."""
    table = rows(section(PAGE, "Changing keys while the server runs"))
    assert [cells[0] for cells in table] == [
        "all of `[auth]`",
        "`[api] key`",
        "`[server] tls_certificate`, `tls_key`",
        "`[log] level`",
    ]
    assert {*differences.KEYS, *differences.CERTIFICATE, *differences.LOGS} == {
        ("auth",),
        ("api", "key"),
        ("api", "key_file"),
        ("server", "tls_certificate"),
        ("server", "tls_key"),
        ("log", "level"),
    }


def test_numbers_are_those_of_the_code() -> None:
    assert INTERVAL == 2.0 and "at most one request in two seconds" in TEXT
    assert TTL_FLOOR == 60.0 and "not less than a minute" in TEXT
    assert (LIMIT_BYTES, TIMEOUT) == (512 * 1024, 5.0) and "512 KiB and take 5 seconds" in TEXT
    assert RSA_BITS.start == 2048 and "below 2048 bits" in TEXT
    assert CANDIDATES == 8 and "of which there may be eight" in TEXT
    assert f"more than {LENGTH_LIMIT} characters" in TEXT
    assert LOOK == 1.0 and "a second or two after the last write" in TEXT
