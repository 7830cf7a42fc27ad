"""What is logged, at which level, and how often."""

from __future__ import annotations

import json
import logging
import warnings
from datetime import datetime
from io import StringIO
from typing import Any, cast

import pytest
from msgspec.structs import replace

from tidings import events, traces
from tidings.clock import ManualClock
from tidings.events import Fact
from tidings.observability import logs
from tidings.observability.lines import Line
from tidings.observability.logs import LogListener
from tidings.traces import Trace

pytestmark = [pytest.mark.core, pytest.mark.usefixtures("loggers", "utc")]


class Terminal(StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


class Log:
    """A listener, and what it wrote as JSON."""

    def __init__(self, clock: ManualClock, level: str) -> None:
        self._stream = StringIO()
        logs.configure("json", level, self._stream)
        self._listener = LogListener(clock)

    def hear(self, *facts: Fact) -> None:
        for fact in facts:
            self._listener(fact)

    def finish(self) -> None:
        self._listener.finish()

    def lines(self) -> list[dict[str, Any]]:
        """What was written since the last call, without the time and the logger's name."""
        text = self._stream.getvalue()
        self._stream.seek(0)
        self._stream.truncate()
        objects = [json.loads(line) for line in text.splitlines()]
        assert all(one.pop("time").endswith("Z") and one.pop("logger") == "tidings" for one in objects)
        return objects


@pytest.fixture
def log(clock: ManualClock) -> Log:
    return Log(clock, "info")


@pytest.fixture
def debug_log(clock: ManualClock) -> Log:
    return Log(clock, "debug")


CLOSED = events.ConnectionClosed("c-1", "u-1", "websocket", "json", 1000, "", 2.5, by_server=False)
DROPPED = events.Dropped("c-1", "u-1", "prices:eur", "latest", 3)
REFUSED = events.ConnectionRefused(403, "this origin is not allowed", "https://evil.example", "192.0.2.1")
GAP = events.GapFound("chat:lobby", filled=False, missing=4)

ROUTINE = [
    events.ConnectionOpened("c-1", "u-1", "websocket", "json", 0.25),
    CLOSED,
    events.CommandHandled("publish", 0, 0.5),
    events.Subscribed("c-1", "u-1", "news", recovered=None),
    events.Unsubscribed("c-1", "u-1", "news", 0),
    events.Published("news", 10, 0.5),
    events.Delivered("news", 1000, 10, 0.5),
]


def closed(code: int, reason: str = "", **changes: Any) -> events.ConnectionClosed:
    """A connection that the server closed."""
    return replace(CLOSED, code=code, reason=reason, by_server=True, **changes)


# Facts worth a line.


def test_a_failed_command(log: Log):
    """An error with the traceback, the method and the client; the second one as well."""
    try:
        raise KeyError("secret")
    except KeyError as error:
        failed = events.CommandFailed("Call", "c-1", error)
    log.hear(failed, failed)
    line, again = log.lines()
    story = line.pop("exception")
    assert line == {"level": "error", "message": "command failed", "method": "Call", "client": "c-1"}
    assert story.startswith("Traceback (most recent call last):\n")
    assert story.endswith("KeyError: 'secret'")
    assert again["exception"] == story


def test_a_slow_client(log: Log):
    """A warning that says who and why."""
    log.hear(closed(3008, "slow"))
    assert log.lines() == [
        {
            "level": "warning",
            "message": "slow client disconnected",
            "client": "c-1",
            "user": "u-1",
            "transport": "websocket",
            "codec": "json",
            "code": 3008,
            "reason": "slow",
            "lasted": 2.5,
            "by_server": True,
        }
    ]


@pytest.mark.parametrize(
    ("code", "level", "message"),
    [
        (3004, "warning", "connection ended by an internal error"),
        (3008, "warning", "slow client disconnected"),
        (3012, "info", "client no longer answers"),
        (3500, "info", "client refused"),
        (3501, "info", "client refused"),
        (3504, "warning", "client refused"),
        (3507, "info", "client refused"),
    ],
)
def test_ends_worth_a_line(log: Log, code: int, level: str, message: str):
    """What may need somebody's attention is a warning, what explains a complaint is info."""
    log.hear(closed(code))
    assert [(line["level"], line["message"]) for line in log.lines()] == [(level, message)]


@pytest.mark.parametrize("code", [1000, 1001, 1006, 3000, 3001, 3005, 3503, 4000, 4999])
def test_ends_that_happen_every_day(log: Log, code: int):
    """Clients that leave, a shutdown, expired tokens and what the application decides are nobody's business."""
    log.hear(closed(code))
    assert log.lines() == []


def test_a_client_cannot_pretend(log: Log):
    """A close code of ours that the client sent means nothing."""
    log.hear(replace(closed(3008, "slow"), by_server=False))
    assert log.lines() == []


def test_a_refused_connection(log: Log):
    """Says which origin was refused, and to whom."""
    log.hear(REFUSED)
    assert log.lines() == [
        {
            "level": "info",
            "message": "connection refused",
            "status": 403,
            "reason": "this origin is not allowed",
            "origin": "https://evil.example",
            "address": "192.0.2.1",
        }
    ]


def test_a_gap(log: Log):
    """A warning with the channel."""
    log.hear(GAP)
    assert log.lines() == [
        {"level": "warning", "message": "gap found", "channel": "chat:lobby", "filled": False, "missing": 4}
    ]


def test_the_daily_run(log: Log, debug_log: Log):
    """Is written at debug, each fact by its name."""
    debug_log.hear(*ROUTINE)
    lines = debug_log.lines()
    assert {line["level"] for line in lines} == {"debug"}
    assert [line["message"] for line in lines] == [
        "connection opened",
        "connection closed",
        "command handled",
        "subscribed",
        "unsubscribed",
        "published",
        "delivered",
    ]
    assert lines[-1]["subscribers"] == 1000


def test_the_daily_run_is_silent(log: Log):
    """At info nothing of it is written."""
    log.hear(*ROUTINE)
    assert log.lines() == []


def test_silence_costs_nothing(log: Log, debug_log: Log):
    """Where debug is off, a fact of the daily run is not even looked into."""

    class Opaque:
        """Has nothing to look into."""

    with pytest.raises(TypeError):
        debug_log.hear(cast("Fact", Opaque()))
    logs.configure("json", "info", StringIO())
    log.hear(cast("Fact", Opaque()))


def test_what_is_below_the_level_is_not_written(clock: ManualClock):
    """Nor is it counted as suppressed when the level allows it again."""
    log = Log(clock, "error")
    log.hear(closed(3008), DROPPED, REFUSED, GAP)
    assert log.lines() == []
    logging.getLogger("tidings").setLevel("INFO")
    log.hear(closed(3008))
    assert "suppressed" not in log.lines()[0]


# How often.


def test_rate_limits_are_told_once_a_second_each(log: Log, clock: ManualClock):
    """Whoever it strikes; a limit that had to forget somebody is a warning."""
    struck = events.RateLimited("connects_per_address", address="192.0.2.1")
    log.hear(struck, struck, events.RateLimited("commands_per_user", client="c-1", user="u-1"))
    log.hear(events.ReadingPaused("commands_per_user", "c-1", "u-1", 2.0), events.RateForgotten("connects_per_address"))
    assert [(line["level"], line["message"], line["limit"]) for line in log.lines()] == [
        ("info", "rate limited", "connects_per_address"),
        ("info", "rate limited", "commands_per_user"),
        ("info", "flooding client paused", "commands_per_user"),
        ("warning", "rate limit forgets", "connects_per_address"),
    ]
    clock.advance(1.125)
    log.hear(struck)
    assert log.lines()[0]["suppressed"] == 1


def test_dropped_publications_are_told_once_a_second(log: Log, clock: ManualClock):
    """Per channel and policy, with the number of lines that were left out."""
    log.hear(DROPPED, DROPPED, DROPPED)
    assert log.lines() == [
        {
            "level": "warning",
            "message": "publications dropped",
            "client": "c-1",
            "user": "u-1",
            "channel": "prices:eur",
            "policy": "latest",
            "count": 3,
        }
    ]
    clock.advance(0.875)
    log.hear(DROPPED)
    assert log.lines() == []
    clock.advance(0.125)
    log.hear(replace(DROPPED, client="c-2"))
    (line,) = log.lines()
    assert (line["client"], line["suppressed"]) == ("c-2", 3)


def test_other_channels_and_policies_are_told(log: Log):
    """One channel's trouble does not hide another's."""
    log.hear(DROPPED, replace(DROPPED, channel="prices:usd"), replace(DROPPED, policy="drop_oldest"), DROPPED)
    assert [(line["channel"], line["policy"]) for line in log.lines()] == [
        ("prices:eur", "latest"),
        ("prices:usd", "latest"),
        ("prices:eur", "drop_oldest"),
    ]


@pytest.mark.parametrize("fact", [closed(3008), closed(3500), REFUSED, GAP])
def test_nobody_floods_the_log(log: Log, clock: ManualClock, fact: Fact):
    """What clients can cause as often as they like is one line a second for each kind."""
    log.hear(*[fact] * 1000)
    assert len(log.lines()) == 1
    clock.advance(1.0)
    log.hear(fact)
    (line,) = log.lines()
    assert line["suppressed"] == 999


def test_nothing_stays_held_back_at_the_end(log: Log):
    """The last of each kind is written, with how many were left out before it."""
    other = replace(DROPPED, channel="prices:usd")
    log.hear(*[DROPPED] * 5, other, replace(DROPPED, client="c-2"), REFUSED, REFUSED)
    assert len(log.lines()) == 3
    log.finish()
    dropped, refused = log.lines()
    assert (dropped["client"], dropped["channel"], dropped["suppressed"]) == ("c-2", "prices:eur", 4)
    assert refused["message"] == "connection refused"
    assert "suppressed" not in refused
    log.finish()
    assert log.lines() == []


# What a process writes, and how.


def written(format: Any, level: str, stream: StringIO) -> StringIO:
    logs.configure(format, level, stream)
    logging.getLogger("tidings").info(Line("started", {"user": "eve\n\x1b[31m"}))
    return stream


def test_auto_is_json_where_nobody_looks():
    """Pipes, files and containers get an object per line."""
    line = json.loads(written("auto", "info", StringIO()).getvalue())
    assert (line["message"], line["user"]) == ("started", "eve\n\x1b[31m")


def test_auto_is_human_on_a_terminal(monkeypatch: pytest.MonkeyPatch):
    """With colours, and nevertheless without those of a user."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = written("auto", "info", Terminal()).getvalue()
    assert text.endswith('  tidings        started  \x1b[2muser=\x1b[0m"eve\\n\\x1b[31m"\n')


def test_human_has_no_colours_elsewhere():
    """In a file they would be in the way."""
    text = written("human", "info", StringIO()).getvalue()
    assert text.endswith('  info     tidings        started  user="eve\\n\\x1b[31m"\n')


def test_no_color(monkeypatch: pytest.MonkeyPatch):
    """Whoever does not want colours says so as to every other program."""
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in written("auto", "info", Terminal()).getvalue()


def test_json_on_a_terminal():
    """Asked for is asked for."""
    assert json.loads(written("json", "info", Terminal()).getvalue())["level"] == "info"


@pytest.mark.parametrize(
    ("level", "ours", "theirs"),
    [
        ("debug", logging.DEBUG, logging.INFO),
        ("info", logging.INFO, logging.WARNING),
        ("warning", logging.WARNING, logging.WARNING),
        ("error", logging.ERROR, logging.ERROR),
    ],
)
@pytest.mark.parametrize("name", ["uvicorn.error", "uvicorn.access", "websockets.server", "asyncio", "httpx2"])
def test_libraries_are_quieter(level: str, ours: int, theirs: int, name: str):
    """Of the servers there are only warnings: our lines tell of connections, and frames hold tokens."""
    logs.configure("json", level, StringIO())
    is_server = name.startswith(("uvicorn", "websockets"))
    assert logging.getLogger("tidings").getEffectiveLevel() == ours
    assert logging.getLogger(name).getEffectiveLevel() == (max(theirs, logging.WARNING) if is_server else theirs)


@pytest.mark.parametrize("name", ["uvicorn", "uvicorn.error", "uvicorn.access", "websockets", "asyncio", "py.warnings"])
def test_libraries_speak_the_same_format(name: str):
    """Also those that had handlers and levels of their own."""
    stream, own = StringIO(), StringIO()
    for logger in (logging.getLogger("uvicorn"), logging.getLogger("uvicorn.access")):
        logger.addHandler(logging.StreamHandler(own))
        logger.setLevel("CRITICAL")
        logger.propagate = False
    logs.configure("json", "info", stream)
    logging.getLogger(name).warning("GET %s", "/\n")
    line = json.loads(stream.getvalue())
    assert own.getvalue() == ""
    assert (line["logger"], line["message"]) == (name, "GET /")


def test_warnings_are_logged():
    """A deprecation is a line like every other, not a text on the error output."""
    stream = StringIO()
    logs.configure("json", "info", stream)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.warn("old\nways", UserWarning, stacklevel=1)
    line = json.loads(stream.getvalue())
    assert (line["logger"], line["level"]) == ("py.warnings", "warning")
    assert "UserWarning: old\nways" in line["message"]


def test_configuring_twice():
    """The second time replaces the first."""
    first, second = StringIO(), StringIO()
    written("json", "info", first)
    written("human", "info", second)
    assert len(first.getvalue().splitlines()) == len(second.getvalue().splitlines()) == 1


# The HTTP API.


def called(status: int = 200, code: int = 0, method: str = "publish") -> events.ApiCallHandled:
    return events.ApiCallHandled(method, code, status, 0.25, "192.0.2.1")


@pytest.mark.parametrize(("status", "code"), [(500, 100), (200, 100), (503, 0)])
def test_calls_that_fail_here_are_warnings(log: Log, status: int, code: int):
    """Whichever way the caller is told."""
    log.hear(called(status, code))
    (line,) = log.lines()
    assert (line["level"], line["message"], line["method"]) == ("warning", "API call failed", "publish")


def test_calls_without_the_key_are_told_with_the_address(log: Log):
    log.hear(called(401))
    (line,) = log.lines()
    assert (line["level"], line["message"], line["address"]) == ("info", "API call refused", "192.0.2.1")


def test_other_calls_are_routine(debug_log: Log):
    """Mistakes of callers among them."""
    debug_log.hear(called(), called(400), called(200, 102))
    told = [(line["level"], line["message"]) for line in debug_log.lines()]
    assert told == [("debug", "api call handled")] * 3


def test_a_back_end_cannot_fill_the_disk(log: Log, clock: ManualClock):
    """Of each method and code a line a second; with the wrong key one for everybody."""
    log.hear(*[called(500, 100)] * 100, *[called(401, method=f"m{number}") for number in range(100)])
    assert len(log.lines()) == 2
    clock.advance(1.0)
    log.hear(called(500, 100))
    assert sorted(line["suppressed"] for line in log.lines()) == [98, 99]


# Numbers and traces.


def test_times_are_told_to_the_microsecond(log: Log):
    """Further digits are noise."""
    log.hear(replace(called(401), lasted=0.0012345678901234567))
    assert log.lines()[0]["lasted"] == 0.001235


TRACE = Trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
IDS = {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7"}


class Here:
    """A span in which something is logged."""

    trace = TRACE
    is_over = False

    def __enter__(self) -> None:
        self._before = traces.enter(cast(Any, self))

    def __exit__(self, *exc_info: object) -> None:
        traces.leave(self._before)


def test_a_line_that_was_held_back_keeps_its_trace(log: Log, clock: ManualClock):
    """It comes with whatever is said next, and neither takes the trace of that nor gives its own."""
    with Here():
        log.hear(called(401), called(401))
    log.hear(GAP, GAP)
    clock.advance(1.0)
    first, gap = log.lines()
    assert first | IDS == first
    assert gap.keys().isdisjoint(IDS)
    with Here():
        log.hear(called(500, 100))
    held, held_gap, failed = log.lines()
    assert (held["message"], held | IDS == held) == ("API call refused", True)
    assert (held_gap["message"], held_gap.keys().isdisjoint(IDS)) == ("gap found", True)
    assert (failed["message"], failed | IDS == failed) == ("API call failed", True)


def test_a_line_that_was_held_back_has_the_time_at_which_it_was_true(clock: ManualClock):
    """Half a minute later something else is said, and it is not taken for something of that moment."""
    logs.configure("json", "info", stream := StringIO())
    listener = LogListener(clock)
    for seconds, fact in ((0.5, DROPPED), (30.0, DROPPED), (0.0, GAP)):
        listener(fact)
        clock.advance(seconds)
    first, held, gap = (datetime.fromisoformat(json.loads(line)["time"]) for line in stream.getvalue().splitlines())
    assert (gap - held).total_seconds() == pytest.approx(30.0, abs=0.25)
    assert (gap - first).total_seconds() < 10.0


def test_a_delivery_is_in_the_trace_that_it_came_with(debug_log: Log):
    """And without one there is nothing to tell of it."""
    debug_log.hear(events.Delivered("news", 1, 2, 0.5, TRACE.text(), 0.25), events.Delivered("news", 1, 2, 0.5))
    traced, untraced = debug_log.lines()
    assert traced | IDS | {"lasted": 0.25} == traced
    assert untraced == {
        "level": "debug",
        "message": "delivered",
        "channel": "news",
        "subscribers": 1,
        "size_bytes": 2,
        "age": 0.5,
    }
