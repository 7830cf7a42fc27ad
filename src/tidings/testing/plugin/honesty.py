"""In a test of level L3 or L4 a mock without a reason is a failure.

A mock counts for the test that makes or uses it, and one that a fixture makes for every test that uses the fixture: a
fixture of session scope is no hiding place. What justifies it is `@mock_justified` on the test, on its class or module,
or on the fixture that makes it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tidings.testing.plugin.justified import reasons, reasons_of
from tidings.testing.plugin.levels import HONEST
from tidings.testing.plugin.mocks import Use, Watch

JUSTIFIED = pytest.StashKey[list[str]]()
"""The reasons that a test has needed."""

CURE = (
    "Use the real part; tidings.testing has it as a fixture or a block. If a mock is right here, say why: "
    '@mock_justified("…") on the test, its class, or the fixture.'
)


@dataclass(slots=True)
class Scene:
    """Where mocks are made: a test, or one set-up of a fixture. `excuses` are the reasons that the fixture states."""

    fixture: str = ""
    base: str = ""
    excuses: tuple[str, ...] = ()
    uses: list[Use] = field(default_factory=list)


class Honesty:
    """Watches all tests of a run in which there are tests of a level that promises real parts."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._watch = Watch(self._notice)
        self._needed = False
        self._stage: list[Scene] = []
        self._test: list[Scene] = []
        self._shared: dict[Any, Scene] = {}
        self._reasons: list[str] = []
        self._told: set[tuple[str, Use]] = set()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._needed = any(level_of(item) for item in session.items)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        if not self._needed:
            return (yield)
        scene = Scene()
        self._stage, self._test, self._told = [scene], [scene], set()
        self._watch.install()
        try:
            return (yield)
        finally:
            self._watch.remove()
            self._stage = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        try:
            self._reasons = reasons_of(item)
        except ValueError as error:
            self._reasons = []
            pytest.fail(str(error), pytrace=False)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        if not self._stage:
            return (yield)
        scene = Scene(fixturedef.argname, fixturedef.baseid, reasons(fixturedef.func))
        if fixturedef.scope != "function":
            self._shared[fixturedef] = scene
        self._test.append(scene)
        self._stage.append(scene)
        try:
            return (yield)
        finally:
            self._stage.pop()

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        self._shared.pop(fixturedef, None)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        if not self._stage:
            return (yield)
        try:
            yield
        finally:
            # A shared fixture may end before the judgement after the test, so it is taken down now: a test may have
            # asked for it while it ran.
            self._test += [scene for scene in self._used(item) if all(scene is not known for known in self._test)]
        self._judge(item)
        return None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, None, None]:
        yield
        if self._stage:
            self._judge(item)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """A test that failed anyway has its mocks told beside its failure."""
        report = yield
        if self._stage and report.failed and (found := self._untold(item)):
            report.sections.append(("mocks without a reason", "\n".join(map(self._line, found))))
        return report

    def _used(self, item: pytest.Item) -> Iterator[Scene]:
        """The shared fixtures that a test has used, and not others of the same name, which another folder has."""
        active = getattr(getattr(item, "_request", None), "_fixture_defs", {})
        for fixturedef, scene in self._shared.items():
            own = active.get(scene.fixture)
            # One that overrides another of its name may be built on that.
            is_below = own is not None and scene.fixture in own.argnames and item.nodeid.startswith(scene.base)
            if own is fixturedef or is_below:
                yield scene

    def _notice(self, use: Use) -> None:
        uses = self._stage[-1].uses if self._stage else []
        # One line is told once. Decorators have no line, and are told each.
        told = [known == use if not use.file else (known.file, known.line) == (use.file, use.line) for known in uses]
        if not any(told):
            uses.append(use)

    def _judge(self, item: pytest.Item) -> None:
        __tracebackhide__ = True
        if found := self._untold(item):
            lines = [f"{found_in(found)} in a test of level {level_of(item)}, where parts are real:"]
            pytest.fail("\n".join([*lines, *map(self._line, found), CURE]), pytrace=False)

    def _untold(self, item: pytest.Item) -> list[tuple[str, Use]]:
        """The mocks that nothing justifies and that were not told yet. The reasons of the others are kept."""
        if level_of(item) is None:
            return []
        found, needed = [], item.stash.setdefault(JUSTIFIED, [])
        for scene in self._test:
            excuses = (*self._reasons, *scene.excuses)
            if scene.uses and excuses:
                needed.extend(reason for reason in excuses if reason not in needed)
            elif scene.uses:
                found += [(scene.fixture, self._placed(use, item)) for use in scene.uses]
        fresh = [entry for entry in found if entry not in self._told]
        self._told.update(fresh)
        return fresh

    def _placed(self, use: Use, item: pytest.Item) -> Use:
        """A mock that a decorator makes has no line of the test's; the test's own is shown for it."""
        if use.file:
            return use
        file, line, _ = item.location
        return Use(use.what, str(self._root / file), (line or 0) + 1)

    def _line(self, entry: tuple[str, Use]) -> str:
        fixture, use = entry
        path = Path(use.file)
        place = path.relative_to(self._root) if path.is_relative_to(self._root) else path
        return f"  {use.what}, {place}:{use.line}" + (f" (fixture {fixture!r})" if fixture else "")


def level_of(item: pytest.Item) -> str | None:
    """The level at which a test has to be honest; None where it need not be."""
    return next((level for level in HONEST if item.get_closest_marker(level)), None)


def found_in(found: Iterable[object]) -> str:
    count = len(list(found))
    return "a mock" if count == 1 else f"{count} mocks"
