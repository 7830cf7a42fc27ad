"""Every kind of mock in a test of level L3 or L4 fails it, unless somebody has said why it is there."""

from __future__ import annotations

import importlib.util

import pytest

pytestmark = pytest.mark.shell

HEAD = """
import os, random, sys
from unittest import TestCase, mock
import pytest
from tidings.testing.plugin import mock_justified

pytestmark = pytest.mark.L3

class Part:
    name = "real"
    def work(self): return "done"

TABLE = {}
EARLIER = mock.MagicMock()
"""

KINDS = {
    "mock": ("mock.Mock()", "unittest.mock.Mock"),
    "magic": ("mock.MagicMock(spec=Part)", "unittest.mock.MagicMock"),
    "async": ("mock.AsyncMock()", "unittest.mock.AsyncMock"),
    "not_callable": ("mock.NonCallableMock()", "unittest.mock.NonCallableMock"),
    "property": ("mock.PropertyMock()", "unittest.mock.PropertyMock"),
    "autospec": ("mock.create_autospec(Part)", "unittest.mock.MagicMock"),
    "open": ("mock.mock_open()", "unittest.mock.MagicMock"),
    "earlier": ("EARLIER()", "unittest.mock.MagicMock, made before the test"),
    "earlier_child": ("EARLIER.child.grandchild()", "unittest.mock.MagicMock, made before the test"),
    "patch": ("mock.patch('os.getcwd').start(); mock.patch.stopall()", "patch of os.getcwd"),
    "patch_object": ("with mock.patch.object(Part, 'name', 'other'): pass", "patch of *Part.name"),
    "patch_multiple": ("with mock.patch.multiple(Part, name='other'): pass", "patch of *Part.name"),
    "patch_dict": ("with mock.patch.dict(TABLE, a=1): pass", "patch.dict"),
    "setattr": ("monkeypatch.setattr(Part, 'name', 'other')", "monkeypatch.setattr of *Part.name"),
    "setattr_path": ("monkeypatch.setattr('os.getcwd', lambda: '')", "monkeypatch.setattr of os.getcwd"),
    "delattr": ("monkeypatch.delattr(Part, 'name')", "monkeypatch.delattr of *Part.name"),
    "setitem": ("monkeypatch.setitem(TABLE, 'a', 1)", "monkeypatch.setitem of dict"),
    "delitem": ("monkeypatch.delitem(TABLE, 'a', raising=False)", "monkeypatch.delitem of dict"),
    "context": ("with monkeypatch.context() as m: m.setattr(Part, 'name', 'x')", "monkeypatch.setattr of *Part.name"),
}

OTHER_FORMS = """
@mock.patch("os.getcwd")
def test_decorated(getcwd): pass

@mock.patch("os.getcwd")
async def test_decorated_coroutine(getcwd): pass

class TestUnittest(TestCase):
    @mock.patch("os.getcwd")
    def test_in_a_class(self, getcwd): mock.Mock()

@pytest.fixture
def fake():
    return mock.Mock()

@pytest.fixture
async def fake_coroutine():
    return mock.Mock()

def test_fixture(fake): pass

async def test_fixture_coroutine(fake_coroutine): pass

@pytest.fixture
def late():
    yield
    mock.Mock()

def test_in_teardown(late): pass
"""

HONEST = """
def test_settings(monkeypatch, tmp_path):
    monkeypatch.setenv("A", "b")
    monkeypatch.delenv("A")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(dic=os.environ, name="A", value="b")
    with mock.patch.dict(os.environ, A="b"):
        assert os.environ["A"] == "b"

async def test_coroutine(): pass

@pytest.mark.L1
def test_sentinel(): assert mock.sentinel.thing and mock.ANY == 1 and mock.call(1)
"""

# Own module, since the level is the module's.
LOWER = """
from unittest import mock
import pytest

pytestmark = pytest.mark.L2

def test_mock(monkeypatch):
    mock.Mock()()
    with mock.patch("os.getcwd"): pass
    monkeypatch.setattr("os.getcwd", lambda: "")

@pytest.mark.L3
def test_that_lets_the_plugin_watch(): pass
"""


def bodies(kinds: dict[str, tuple[str, str]], decorator: str = "") -> str:
    return HEAD + "".join(
        f"\n{decorator}\ndef test_{name}(monkeypatch):\n    {body}\n" for name, (body, _) in kinds.items()
    )


def test_every_kind_of_mock_fails_and_is_named_with_its_place(run):
    """Construction, call, patch and monkeypatch: each failure says what, in which file and line, and what to do."""
    result = run(bodies(KINDS))
    result.assert_outcomes(failed=len(KINDS))
    text = result.stdout.str()
    for name, (body, what) in KINDS.items():
        line = bodies(KINDS).strip().splitlines().index(f"    {body}") + 1
        result.stdout.fnmatch_lines(["*a mock in a test of level L3, where parts are real:", f"  {what}, *.py:{line}"])
        assert f"test_{name} " in text
    result.stdout.fnmatch_lines(["Use the real part;*@mock_justified*"])


def test_decorators_fixtures_and_teardowns_are_no_hiding_place(run):
    """Whoever makes it, the test that needs it fails; the fixture is named."""
    result = run(HEAD + OTHER_FORMS)
    result.assert_outcomes(failed=5, passed=1, errors=1)
    result.stdout.fnmatch_lines(["*patch of os.getcwd, *.py:*"])
    result.stdout.fnmatch_lines(["*unittest.mock.Mock, *.py:* (fixture 'fake')"])
    result.stdout.fnmatch_lines(["*unittest.mock.Mock, *.py:* (fixture 'fake_coroutine')"])
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_in_teardown*"])


def test_a_shared_fixture_fails_every_test_that_uses_it(run):
    """One that an L1 test has set up still counts for the L3 test after it, and not for one that does without it."""
    result = run(
        """
from unittest import mock
import pytest

@pytest.fixture(scope="module")
def fake():
    return mock.Mock()

@pytest.mark.L1
def test_first(fake): pass

@pytest.mark.L3
def test_second(fake): pass

@pytest.mark.L4
def test_third(fake): fake()

@pytest.mark.L3
def test_without(): pass
"""
    )
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*a mock in a test of level L4*"])


SHARED = """
from unittest import mock
import pytest

@pytest.fixture(scope="session")
def fake(): return mock.Mock()

@pytest.fixture(scope="session")
def built(): return mock.Mock()
"""

USERS = {
    "test_a": """
import pytest
pytestmark = pytest.mark.L3

def test_uses_it(fake): pass

def test_asks_for_it_while_it_runs(request): request.getfixturevalue("fake")

def test_uses_what_is_built_upon(built): pass
""",
    "test_b": """
import pytest
pytestmark = pytest.mark.L3

@pytest.fixture(scope="session")
def fake(): return "real"

@pytest.fixture(scope="session")
def built(built): return built

def test_has_another_of_the_name(fake): assert fake == "real"

def test_has_one_that_is_built_on_it(built): pass

def test_has_it_again(built): pass
""",
}


def test_a_shared_fixture_counts_for_who_uses_it_and_not_for_another_of_its_name(run, pytester):
    """Also for a test that asks for it only while it runs, and through one that is built on it."""
    pytester.makeconftest(SHARED)
    pytester.makepyfile(**USERS)
    result = run("")
    result.assert_outcomes(passed=1, failed=5)
    result.stdout.no_fnmatch_line("FAILED *test_has_another_of_the_name*")


def test_each_decorator_is_told_at_the_line_of_its_test(run):
    """Of a coroutine too, though it is the loop that runs it."""
    body = """
from unittest import mock
import pytest
pytestmark = pytest.mark.L3

@mock.patch("os.getpid")
@mock.patch("os.getcwd")
async def test_two(getcwd, getpid): pass
"""
    result = run(body)
    result.assert_outcomes(failed=1)
    line = body.strip().splitlines().index('@mock.patch("os.getpid")') + 1
    result.stdout.fnmatch_lines(["2 mocks in a test of level L3*"])
    for target in ("getpid", "getcwd"):
        result.stdout.fnmatch_lines([f"  patch of os.{target}, test_each_decorator*.py:{line}"])


def test_settings_are_no_mocks(run):
    """Environment, working directory and import path may be set; sentinels and calls are values."""
    run(HEAD + HONEST).assert_outcomes(passed=3)


def test_lower_levels_may_mock(run):
    """Below L3 nothing is refused, in a run with L3 tests too."""
    run(LOWER).assert_outcomes(passed=2)


def test_a_justified_mock_passes_and_its_reason_is_told(run):
    """The reason may stand at the test, its class, its module or the fixture; the summary lists those that counted."""
    result = run(
        bodies(KINDS, '@mock_justified("the provider has no sandbox")')
        + """
@mock_justified("a class has a reason")
class TestClass:
    def test_method(self): mock.Mock()
    def test_without_mock(self): pass

@pytest.fixture
@mock_justified("a fixture has a reason")
def fake():
    return mock.Mock()

def test_fixture(fake):
    assert fake.child() is not None

def test_fixture_and_own(fake):
    mock.Mock()

@pytest.mark.mock_justified("a mark is one too")
def test_mark(): mock.Mock()
"""
    )
    result.assert_outcomes(passed=len(KINDS) + 4, failed=1)
    result.stdout.fnmatch_lines(["*= mocks that are justified =*", "*::test_mock: the provider has no sandbox"])
    result.stdout.fnmatch_lines(["*TestClass::test_method: a class has a reason"])
    result.stdout.fnmatch_lines(["*::test_fixture: a fixture has a reason", "*::test_mark: a mark is one too"])
    result.stdout.no_fnmatch_line("*test_without_mock*")


def test_a_mock_beside_another_failure_is_told_beside_it(run):
    """The failure of the test itself stays what it is."""
    result = run(HEAD + "def test_fails():\n    mock.Mock()\n    assert 1 == 2\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*assert 1 == 2*", "*mocks without a reason*", "*unittest.mock.Mock, *.py:*"])


def test_mocks_work_as_ever_while_they_are_watched(run):
    """Calls, specifications, call lists, nested patches and awaiting are untouched, and nothing stays wrapped."""
    result = run(
        HEAD
        + """
pytestmark = [pytest.mark.L3, pytest.mark.mock_justified("they are what is tested")]
BEFORE = mock.NonCallableMock.__init__, mock.CallableMixin.__call__, pytest.MonkeyPatch.setattr

def test_calls():
    fake = mock.Mock(return_value=3)
    assert fake(1, mock=2, original=3, self=4) == 3
    fake.assert_called_once_with(1, mock=2, original=3, self=4)
    assert fake.mock_calls == [mock.call(1, mock=2, original=3, self=4)]
    with pytest.raises(TypeError):
        mock.create_autospec(Part.work)()
    with mock.patch.object(Part, "work", autospec=True) as work:
        Part().work()
    work.assert_called_once()
    with mock.patch("os.getcwd", side_effect=KeyError), pytest.raises(KeyError):
        os.getcwd()
    falsy = mock.MagicMock()
    falsy.__bool__.return_value = False
    assert not falsy and falsy.child() is not None

async def test_await():
    fake = mock.AsyncMock(return_value=3)
    assert await fake() == 3
    fake.assert_awaited_once()

@pytest.fixture(autouse=True)
def unwrapped():
    assert not BEFORE[0].__module__.startswith("tidings")
    yield

def test_undone(monkeypatch):
    monkeypatch.setattr(Part, "name", "other")
    assert Part.name == "other"
    monkeypatch.undo()
    assert Part.name == "real"
"""
    )
    result.assert_outcomes(passed=3)


def test_a_suite_with_other_levels_can_turn_it_off(run):
    """One line of its settings."""
    run(bodies(KINDS), settings="tidings_honesty = false\n").assert_outcomes(passed=len(KINDS))


def test_an_empty_mark_is_an_error_as_well(run):
    """The mark has the rule of the decorator."""
    result = run(HEAD + "@pytest.mark.mock_justified\ndef test_bad(): pass\n")
    result.stdout.fnmatch_lines(["*justified by a reason*"])
    result.assert_outcomes(errors=1)


if importlib.util.find_spec("pytest_mock"):

    def test_pytest_mock_is_noticed(run):
        """`mocker` is built on what is watched; the line is the test's own."""
        result = run(
            HEAD
            + """
def test_patch(mocker): mocker.patch("os.getcwd")
def test_stub(mocker): mocker.stub()
def test_spy(mocker): mocker.spy(Part, "work")
def test_unused(mocker): pass
"""
        )
        result.assert_outcomes(failed=3, passed=1)
        result.stdout.fnmatch_lines(["*patch of os.getcwd through pytest-mock, *.py:*"])
