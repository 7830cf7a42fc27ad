"""Markers, and what follows from them."""

from __future__ import annotations

from pathlib import PurePath

import pytest

from tidings.testing.plugin.levels import CATEGORIES, LEVELS, belongs, implied, nearest

pytestmark = pytest.mark.core


@pytest.mark.parametrize(
    ("given", "following"),
    [
        ({"L1"}, {"unit"}),
        ({"unit"}, {"L1"}),
        ({"L2"}, {"integration"}),
        ({"L3"}, {"integration"}),
        ({"L4"}, set()),
        ({"integration"}, set()),
        ({"integration_real_server"}, {"L3", "integration"}),
        ({"integration_real_server", "L4"}, {"integration"}),
        ({"unit", "L3"}, {"integration"}),
        ({"performance", "other"}, set()),
        (set(), set()),
    ],
)
def test_what_follows(given: set[str], following: set[str]):
    """Unit is L1, L2 and L3 are integration; a level that is stated stays the only one."""
    assert implied(given) == following


def test_the_names_are_those_of_the_documents():
    """Four levels and ten categories."""
    assert list(LEVELS) == ["L1", "L2", "L3", "L4"]
    names = "unit integration performance security resilience smoke ml async load integration_real_server"
    assert " ".join(CATEGORIES) == names


@pytest.mark.parametrize(
    ("category", "file"),
    [
        ("redis_subscriber", "test_redis_event_subscriber.py"),
        ("websocket_broadcaster", "test_websocket_broadcaster.py"),
        ("end_to_end", "test_end_to_end_integration.py"),
        ("application", "test_application_integration.py"),
    ],
)
def test_a_category_is_found_by_the_words_of_its_name(category: str, file: str):
    """The categories of a suite that has a file for each."""
    assert belongs(category, PurePath("tests") / file, [])
    assert not belongs(category, PurePath("tests/test_other.py"), ["TestOther"])
    assert not belongs(category, PurePath("tests/test_redis.py"), [])


def test_a_category_is_found_by_a_class():
    """Whole words count, whatever their case."""
    assert belongs("ratelimiter", PurePath("test_a.py"), ["RateLimiter"])
    assert not belongs("rate", PurePath("test_a.py"), ["RateLimiter"])


def test_a_category_that_nobody_has_may_be_another_one():
    """A marker, or the words of one name."""
    names = ["test_chat_broadcast", "TestRoom"]
    assert nearest("broadcst", names) == "broadcast"
    assert nearest("brodcast_chat", names) == "broadcast_chat"
    assert nearest("preformance", names) == "performance"
    assert nearest("kafka", names) == nearest("chat_kafka", names) == ""


def test_a_category_without_a_test_is_named(run, pytester):
    """Also beside another one that has some."""
    pytester.makepyfile(test_chat_broadcast="def test_it(): pass")
    result = run("def test_it(): pass", "--tidings-category=broadcst", "--tidings-category=chat")
    result.assert_outcomes(passed=1, deselected=1)
    result.stdout.fnmatch_lines(["No test is of the category broadcst. Is broadcast meant?"])
    result.stdout.no_fnmatch_line("*category chat*")


def test_a_category_with_a_marker_is_not_found_by_name(run, pytester):
    """Its name in the name of a file says nothing, though other categories are chosen beside it."""
    pytester.makepyfile(test_smoke="def test_named(): pass", test_redis_a="def test_other(): pass")
    body = "import pytest\n@pytest.mark.smoke\ndef test_marked(): pass"
    run(body, "--tidings-category=smoke", "--tidings-category=redis", "-rA").assert_outcomes(passed=2, deselected=1)
