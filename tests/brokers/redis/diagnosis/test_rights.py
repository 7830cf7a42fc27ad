"""What is tried is what is used."""

from __future__ import annotations

import re

import pytest

from tidings.brokers.redis import calls, fleet, introduction, people, reign, scripts, server
from tidings.brokers.redis.diagnosis import rights
from tidings.brokers.redis.keys import Keys, slot

pytestmark = pytest.mark.core

BY_CONNECTIONS = {"hello", "auth", "setname", "select"}
"""What every connection begins with, and so needs no trying."""

OF_SENTINELS = {"sentinel", "get-master-addr-by-name"}
PARTS = {"load", "slots", "kill", "id"}
"""Further words, which are named with the first."""


def tried(*, clustered: bool) -> set[str]:
    keys = Keys("tidings", clustered=clustered)
    attempts = [*rights.preparing(keys, "x"), *rights.trying(keys, "x", "x", clustered=clustered, with_nodes=True)]
    return {attempt.name for attempt in attempts}


def test_every_command_of_the_scripts_is_tried() -> None:
    called = set()
    for script in scripts.ALL:
        called |= {name.lower() for name in re.findall(r"redis\.call\('([A-Z]+)'", script.text.decode())}
        called |= {name.lower() for name in re.findall(r"= \{ '([A-Z]+)', KEYS", script.text.decode())}
    assert {"xadd", "xrange", "zadd"} <= called
    assert called <= tried(clustered=False)


@pytest.mark.parametrize("clustered", [False, True])
def test_every_command_of_the_broker_is_tried(clustered: bool) -> None:
    """Commands are written as words of bytes in capitals."""
    modules = [calls, fleet, introduction, people, reign, server]
    written = set()
    for module in modules:
        assert module.__file__ is not None
        with open(module.__file__) as source:
            written |= {word.lower() for word in re.findall(r'b"([A-Z][A-Z-]+)"', source.read())}
    ordinary = {"publish", "subscribe", "unsubscribe"}
    sharded = {f"s{name}" for name in ordinary} | {"cluster"}
    written -= BY_CONNECTIONS | OF_SENTINELS | PARTS | (ordinary if clustered else sharded)
    assert written <= {name.partition("|")[0] for name in tried(clustered=clustered)}


def test_everything_lives_under_the_prefix() -> None:
    """And in a cluster, but for the keys of all nodes, in the slots of the two names."""
    keys = Keys("shop", clustered=True)
    slots = {slot(keys.meta("x")), slot(keys.control("y"))}
    for attempt in rights.trying(keys, "x", "y", clustered=True, with_nodes=False):
        for name in (word for word in attempt.words if isinstance(word, str)):
            assert name.startswith("shop:")
            assert slot(name) in slots
