"""Names in Redis: which slot they are in, and that no two things have the same."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from tidings.brokers.redis.keys import SLOTS, Keys, slot
from tidings.errors import SettingsError

pytestmark = pytest.mark.core

names = st.text(st.characters(codec="utf-8"), max_size=30)
awkward = st.text("{}:.ab1", max_size=12)
channels = names | awkward


def all_of(keys: Keys, channel: str) -> dict[str, str]:
    """Everything that has to do with a channel, a user or a node of this name."""
    return {
        "meta": keys.meta(channel),
        "stream": keys.stream(channel),
        "once": keys.once(channel, "key"),
        "leases": keys.leases(channel),
        "present": keys.present(channel),
        "bus": keys.bus(channel),
        "user": keys.user(channel),
        "kept": keys.kept(channel),
        "connections": keys.connections(channel),
        "control": keys.control(channel),
    }


OF_A_CHANNEL = ("meta", "stream", "once", "leases", "present", "bus")


# Slots.


@given(channels)
def test_a_slot_is_what_the_cluster_takes_it_for(name: str):
    """As redis-py counts it, tags and empty tags among them."""
    assert slot(name) == key_slot(name.encode())
    assert 0 <= slot(name) < SLOTS


@pytest.mark.parametrize(
    ("name", "number"),
    [("", 0), ("foo", 12182), ("{foo}bar", 12182), ("a{foo}{bar}", 12182), ("123456789", 0x31C3)],
)
def test_slots_that_the_cluster_specification_names(name: str, number: int):
    assert slot(name) == number


@given(channels, channels)
def test_all_keys_of_a_channel_are_in_one_slot(channel: str, prefix: str):
    """In a cluster, whatever the channel is called; its pub/sub channel among them."""
    prefix = prefix.replace("{", "").replace("}", "")
    found = all_of(Keys(prefix, clustered=True), channel)
    assert len({slot(found[kind]) for kind in OF_A_CHANNEL}) == 1
    assert slot(found["bus"]) == slot("{." + channel + "}")


def test_the_keys_of_all_nodes_are_in_one_slot():
    keys = Keys("tidings", clustered=True)
    assert slot(keys.node_leases()) == slot(keys.node_cards())


def test_channels_are_spread_over_a_cluster():
    """Even those whose names begin with a brace, or are alike."""
    keys = Keys("tidings", clustered=True)
    for names in ([f"{{{n}" for n in range(200)], [f"{{{n}}}" for n in range(200)], [f"a{n}" for n in range(200)]):
        assert len({slot(keys.bus(name)) for name in names}) > 100


# No two things have the same name.


@pytest.mark.parametrize("clustered", [False, True])
@given(one=channels, other=channels)
def test_no_two_things_have_the_same_name(clustered: bool, one: str, other: str):
    keys = Keys("tidings", clustered=clustered)
    first, second = all_of(keys, one), all_of(keys, other)
    for kind in first:
        for other_kind, name in second.items():
            assert (first[kind] == name) == (kind == other_kind and one == other)


@given(st.lists(st.tuples(channels, channels), min_size=2, max_size=5, unique=True))
def test_no_two_idempotency_keys_have_the_same_name(pairs: list[tuple[str, str]]):
    keys = Keys("tidings")
    assert len({keys.once(*pair) for pair in pairs}) == len(pairs)


@given(one=channels, other=channels)
def test_no_two_databases_hear_each_other(one: str, other: str):
    """Pub/sub knows of no databases, whatever the channels are called."""
    for first, second in combinations((0, 1, 12), 2):
        keys, others = Keys("tidings", database=first), Keys("tidings", database=second)
        heard = {keys.bus(one), keys.control(one), keys.control()}
        assert heard.isdisjoint({others.bus(other), others.control(other), others.control()})


@pytest.mark.parametrize("name", ["3:news", "1:", "12:a:b"])
def test_a_channel_that_begins_with_a_number_is_of_its_own_database(name: str):
    number, _, rest = name.partition(":")
    other = Keys("tidings", database=int(number))
    assert Keys("tidings").bus(name) != other.bus(rest)
    assert other.channel(Keys("tidings").bus(name)) is None


def test_no_node_is_called_as_all_of_them_are():
    keys = Keys("tidings")
    assert keys.control("all") != keys.control()


# Back from a name to its channel.


@pytest.mark.parametrize("clustered", [False, True])
@given(channel=channels, database=st.sampled_from([0, 1, 15]))
def test_a_pubsub_channel_tells_its_channel(clustered: bool, channel: str, database: int):
    keys = Keys("tidings", database=0 if clustered else database, clustered=clustered)
    assert keys.channel(keys.bus(channel)) == channel


@given(channels)
def test_other_pubsub_channels_carry_no_channel(name: str):
    keys = Keys("tidings")
    assert keys.channel(keys.control(name)) is None
    assert keys.channel(f"other:bus:{name}") is None


@pytest.mark.parametrize("prefix", ["{app}", "a{", "b}"])
def test_a_prefix_with_braces_would_move_every_key(prefix: str):
    with pytest.raises(SettingsError, match="must not contain braces"):
        Keys(prefix)
