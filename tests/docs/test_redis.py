"""docs/redis.md: its addresses, its keys and its numbers are those of the code."""

from __future__ import annotations

import inspect
import re
import tomllib

import pytest
from tests.docs.pages import blocks, page, rows, section

from tidings.app.settings import Settings
from tidings.app.settings.checks import REDIS
from tidings.brokers import link
from tidings.brokers.base import IDEMPOTENCY_TTL
from tidings.brokers.redis import parse
from tidings.brokers.redis.address import KNOWN, PORT, SCHEMES, SENTINEL_PORT
from tidings.brokers.redis.diagnosis import judging, rights
from tidings.brokers.redis.keys import Keys

pytestmark = pytest.mark.core

PAGE = page("redis.md")
TEXT = " ".join(PAGE.split())


def test_the_settings_are_good() -> None:
    """And where they name a default, it is one."""
    (block,) = blocks(PAGE, "toml")
    broker = Settings.of(tomllib.loads(block)).broker
    assert broker.model_copy(update={"url": Settings().broker.url}) == Settings().broker


def test_all_schemes_are_listed_and_taken() -> None:
    listed = {row[0].strip("`").partition("://")[0] for row in rows(section(PAGE, "Addresses"))}
    assert listed == SCHEMES.keys() == set(REDIS)


def test_all_options_are_listed() -> None:
    table = section(PAGE, "Addresses").partition("come\noptions:")[2]
    assert set(re.findall(r"`(\w+)(?:=\w+)?`", " ".join(row[0] for row in rows(table)))) == set(KNOWN)


def test_addresses_can_be_used() -> None:
    examples = re.findall(r"^rediss?(?:\+\w+)?://\S+$", PAGE, re.MULTILINE)
    assert len(examples) == 3
    for example in examples:
        parse(example)


def test_all_keys_are_listed() -> None:
    """Each by the name that the code makes, and no others."""
    keys = Keys("tidings")
    made = {keys.node_leases(), keys.node_cards()}
    for kind, name in (("meta", "CHANNEL"), ("stream", "CHANNEL"), ("leases", "CHANNEL"), ("present", "CHANNEL")):
        made.add(getattr(keys, kind)(name))
    made |= {keys.user("USER"), keys.kept("USER"), keys.connections("NODE")}
    made.add(keys.once("CHANNEL", "x").rpartition(":")[0] + ":DIGEST")
    assert {row[0].strip("`") for row in rows(section(PAGE, "Keys"))} == made
    methods = {name for name, _ in inspect.getmembers(Keys, inspect.isfunction) if not name.startswith("_")}
    assert len(methods - {"bus", "channel", "control"}) == len(made), "a kind of key has no row"


def test_pubsub_channels_are_those_of_the_code() -> None:
    keys = Keys("tidings")
    for name in (keys.bus("CHANNEL"), keys.control(), keys.control("NODE")):
        assert f"`{name}`" in TEXT
    assert f"`{Keys('tidings', clustered=True).meta('news')}`" in TEXT


@pytest.mark.parametrize("clustered", [False, True])
def test_the_user_has_the_rights_that_are_needed(clustered: bool) -> None:
    """And no others."""
    keys = Keys("tidings", clustered=clustered)
    needed = {
        attempt.name
        for attempt in (
            *rights.preparing(keys, "x"),
            *rights.trying(keys, "x", "x", clustered=clustered, with_nodes=True),
        )
    }
    (rules,) = blocks(PAGE, "acl")
    given = set(re.findall(r"\+(\S+)", rules))
    if clustered:
        ordinary = {"publish", "subscribe", "unsubscribe"}
        given = given - ordinary | {f"s{name}" for name in ordinary} | {"cluster|slots"}
        assert "`+cluster|slots`" in TEXT
    assert given - needed == {"select"}, "which only a database other than 0 needs"
    assert needed <= given


def test_numbers_are_those_of_the_code() -> None:
    assert f"The port is {PORT}, of sentinels {SENTINEL_PORT}" in TEXT
    assert f"| {IDEMPOTENCY_TTL / 60:.0f} minutes |" in PAGE
    assert f"Redis {'.'.join(map(str, judging.OLDEST))} is needed" in TEXT
    assert f"for a cluster {'.'.join(map(str, judging.OLDEST_IN_CLUSTER))}" in TEXT
    vigilance = link.Vigilance()
    assert (link.PAUSE_LIMIT, vigilance.silence, vigilance.probe_interval) == (0.5, 3.0, 5.0), "see: When Redis is away"
