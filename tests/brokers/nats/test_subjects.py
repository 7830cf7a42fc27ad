"""Names of channels and nodes as levels of subjects: none means anything to NATS, and no two are the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.brokers.nats.subjects import Subjects, level, read_level
from tidings.errors import SettingsError

pytestmark = pytest.mark.core

NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=255)
MEANINGFUL = set(" \t\r\n.*>")


@given(NAMES)
def test_a_name_is_read_back_from_its_level(name: str):
    """So two names are never the same level."""
    assert read_level(level(name)) == name
    assert Subjects("tidings").channel_of(Subjects("tidings").channel(name)) == name


@given(NAMES)
def test_a_level_means_nothing(name: str):
    """It is one level, and stands for nothing but itself; a control line has room for it."""
    assert level(name)
    assert not MEANINGFUL & set(level(name))
    assert len(level(name)) <= 3 * 255


def test_common_names_stay_readable():
    """For whoever looks at a NATS with its own tools, or writes permissions."""
    assert Subjects("tidings").channel("chat:lobby") == "tidings.channel.chat:lobby"
    assert Subjects("tidings").channel("#42") == "tidings.channel.#42"
    assert Subjects("a.b").channel("v1.0 =*") == "a.b.channel.v1=2E0=20=3D=2A"
    assert Subjects("tidings").node("ä") == "tidings.node.=C3=A4"


@pytest.mark.parametrize("text", ["a.b", "=2e", "=41", "=C3", "=", "ä"])
def test_what_no_name_was_made_into_is_read_as_none(text: str):
    """A subject has one name at most, and somebody else's subject has none."""
    assert read_level(text) is None


def test_other_subjects_are_no_channels():
    """What nodes say to each other is not taken for a publication."""
    subjects = Subjects("tidings")
    others = [subjects.nodes, subjects.all, subjects.node("a"), subjects.echo("a"), "tidings2.channel.a"]
    assert [subjects.channel_of(each) for each in others] == [None] * 5


@pytest.mark.parametrize("prefix", ["", ".", "a..b", "a.", "*", "a.>", "a b", "ä"])
def test_a_prefix_that_means_something_is_refused(prefix: str):
    """With a sentence that says what it may consist of."""
    with pytest.raises(SettingsError, match=r"\[broker\] prefix = .* single dots between them"):
        Subjects(prefix)
