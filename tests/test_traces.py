"""What a trace's headers say, and where code is in one."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

import pytest

from tidings import traces
from tidings.traces import Trace

pytestmark = pytest.mark.core

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


def of(*headers: tuple[str, str]) -> Trace | None:
    return Trace.of([(b"host", b"x"), *((name.encode(), value.encode("latin-1")) for name, value in headers)])


def test_a_good_parent() -> None:
    """Its parts are what it says."""
    place = of(("traceparent", GOOD))
    assert place is not None
    assert (place.trace_id, place.span_id, place.flags, place.state) == (TRACE, SPAN, 1, "")
    assert place.headers() == {"traceparent": GOOD}


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "00",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-zz",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN.upper()}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"01-{TRACE}-{SPAN}-01more",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00_{TRACE}_{SPAN}_01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE}-{SPAN}-01\x00",
        f"00-{TRACE[:-1]}٣-{SPAN}-01".encode().decode("latin-1"),
        "é" * 55,
    ],
)
def test_malformed_parents_count_as_absent(parent: str) -> None:
    """Never an error (section 4.3), and what came as state is not looked at."""
    assert of(("traceparent", parent), ("tracestate", "a=1")) is None


def test_without_a_parent_there_is_no_state() -> None:
    assert of(("tracestate", "a=1")) is None
    assert of() is None


def test_two_parents_are_none() -> None:
    """Nobody could say which is right."""
    assert of(("traceparent", GOOD), ("traceparent", GOOD)) is None


@pytest.mark.parametrize("parent", [f"01-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-01-what-comes-later"])
def test_later_versions_are_read_as_far_as_they_are_known(parent: str) -> None:
    """Section 3.2.4."""
    place = of(("traceparent", parent))
    assert place is not None
    assert (place.trace_id, place.span_id, place.flags) == (TRACE, SPAN, 1)


def test_spaces_around_it_belong_to_the_header() -> None:
    place = of(("traceparent", f" {GOOD}\t"))
    assert place is not None
    assert place.parent == GOOD


@pytest.mark.parametrize(
    ("states", "kept"),
    [
        (["a=1"], "a=1"),
        (["a=1,b=2", "c@d=3"], "a=1,b=2,c@d=3"),
        ([" a=1 ,, b=2\t"], "a=1,b=2"),
        ([""], ""),
        (["a"], ""),
        (["a=1=2"], ""),
        (["A=1"], ""),
        (["a=1,a=2"], ""),
        (["a=1\n"], ""),
        (["a=é"], ""),
        ([",".join(f"k{number}=1" for number in range(33))], ""),
        (["a=" + "x" * 257], ""),
        ([",".join(f"k{number}=" + "x" * 200 for number in range(3))], ""),
    ],
)
def test_states(states: list[str], kept: str) -> None:
    """Several headers are one list; a bad one is dropped without the parent (section 3.3.2)."""
    place = of(("traceparent", GOOD), *(("tracestate", state) for state in states))
    assert place == Trace(GOOD, kept)


@pytest.mark.parametrize("place", [Trace(GOOD), Trace(GOOD, "a=1,b=2 3")])
def test_the_text_that_travels(place: Trace) -> None:
    """Comes back as what it was."""
    assert Trace.parse(place.text()) == place


@pytest.mark.parametrize("text", ["", " ", "nonsense", f"{GOOD}x"])
def test_a_text_of_somebody_else(text: str) -> None:
    """Whatever came through the broker, it does not raise."""
    assert Trace.parse(text) is None


class Work:
    """A span that is only a place."""

    is_recorded = True

    def __init__(self) -> None:
        self.trace = Trace(GOOD, "a=1")
        self.is_over = False

    def __enter__(self) -> Self:
        self._before = traces.enter(self)  # type: ignore[arg-type]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.is_over = True
        traces.leave(self._before)


def test_headers_for_others() -> None:
    """Those of the innermost span; outside of all there are none."""
    assert traces.outgoing_headers() == {}
    with Work() as outer:
        with Work() as inner:
            assert traces.current() is inner
        assert traces.current() is outer
        assert traces.outgoing_headers() == {"traceparent": GOOD, "tracestate": "a=1"}
    assert traces.current() is None


def test_a_task_outlives_the_span_that_it_began_in() -> None:
    """What is done for the life of the node, and happened to begin in somebody's call, is not part of that call."""

    async def scene() -> None:
        go_on = asyncio.Event()

        async def later() -> object:
            await go_on.wait()
            return traces.current()

        with Work():
            task = asyncio.create_task(later())
        go_on.set()
        assert await task is None

    asyncio.run(scene())
