"""How a record becomes a line, for people and for programs."""

from __future__ import annotations

import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.observability.lines import HumanFormatter, JsonFormatter, Line, escaped, shown
from tidings.traces import Trace

pytestmark = pytest.mark.core

FORGED = "eve\n2001-09-09 01:46:40.000  info     tidings        started\x1b[2K\r\u2028\u202e\x85"
"""A user who would like to be two lines, to erase the first, and to be read from right to left."""


def record(message: object, *args: object, level: int = logging.INFO, error: BaseException | None = None):
    exc_info = None if error is None else (type(error), error, error.__traceback__)
    made = logging.LogRecord("tidings", level, __file__, 1, message, args, exc_info)
    made.created = 1_000_000_000.25
    return made


def failure(message: str) -> ValueError:
    """An error that was raised, so that it has a traceback."""
    try:
        raise ValueError(message)
    except ValueError:
        error = sys.exception()
    assert isinstance(error, ValueError)
    return error


# For people.


@pytest.mark.usefixtures("utc")
def test_columns():
    """Time, level and logger have their columns, then come the message and the fields."""
    line = HumanFormatter().format(record(Line("started", {"port": 8000, "lasted": 0.25, "user": "a b", "data": ""})))
    assert line == (
        '2001-09-09 01:46:40.250  info     tidings        started  port=8000  lasted=0.250000  user="a b"  data=""'
    )


@pytest.mark.usefixtures("utc")
def test_the_trace_comes_last_and_short():
    """Enough of it to find the rest."""
    trace = Trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    line = HumanFormatter().format(record(Line("gap found", {"missing": 1}, trace)))
    assert line.endswith("gap found  missing=1  trace=4bf92f35")


@pytest.mark.usefixtures("utc")
def test_colours_only_where_asked_for():
    """With colours, the time and the names of fields are dim, and the level has a colour of its own."""
    line = HumanFormatter(colours=True).format(record(Line("dropped", {"count": 3}), level=logging.WARNING))
    assert line == (
        "\x1b[2m2001-09-09 01:46:40.250\x1b[0m  \x1b[33mwarning\x1b[0m  tidings        dropped  \x1b[2mcount=\x1b[0m3"
    )


@pytest.mark.usefixtures("utc")
def test_a_user_cannot_forge_a_line():
    """Line breaks, escapes and invisible characters of a value are written as what they are."""
    line = HumanFormatter().format(record(Line("client refused", {"user": FORGED})))
    assert line == (
        "2001-09-09 01:46:40.250  info     tidings        client refused"
        r'  user="eve\n2001-09-09 01:46:40.000  info     tidings        started\x1b[2K\r\u2028\u202e\x85"'
    )


@pytest.mark.usefixtures("utc")
def test_a_message_of_a_library_cannot_forge_a_line():
    """What is formatted into a message is escaped as well; the line break that some messages end with is dropped."""
    line = HumanFormatter().format(record('127.0.0.1 - "GET %s"\n', "/\n\x1b[31m"))
    assert line == r'2001-09-09 01:46:40.250  info     tidings        127.0.0.1 - "GET /\n\x1b[31m"'


@pytest.mark.usefixtures("utc")
def test_a_traceback_is_indented():
    """No line of a traceback begins as a record does, not even one that the error's message brought along."""
    text = HumanFormatter().format(record("it broke", level=logging.ERROR, error=failure(FORGED)))
    first, *others = text.split("\n")
    assert first == "2001-09-09 01:46:40.250  error    tidings        it broke"
    assert others[0] == "    Traceback (most recent call last):"
    assert others[-2] == "    ValueError: eve"
    assert others[-1] == (r"    2001-09-09 01:46:40.000  info     tidings        started\x1b[2K\r\u2028\u202e\x85")
    assert all(line.startswith("    ") for line in others)


# For programs.


def test_an_object_per_line():
    """The time is UTC as RFC 3339 has it, and fields are keys with values of their own types."""
    line = JsonFormatter().format(record(Line("started", {"port": 8000, "user": "Zoë", "recovered": None})))
    assert line == (
        '{"time": "2001-09-09T01:46:40.250Z", "level": "info", "logger": "tidings", "message": "started", '
        '"port": 8000, "user": "Zo\\u00eb", "recovered": null}'
    )


def test_a_user_cannot_forge_an_object():
    """A value stays on its line and within its string, and a reader gets back what was sent."""
    line = JsonFormatter().format(record(Line("client refused", {"user": FORGED + '"}\x7f'})))
    assert line == (
        '{"time": "2001-09-09T01:46:40.250Z", "level": "info", "logger": "tidings", "message": "client refused", '
        '"user": "eve\\n2001-09-09 01:46:40.000  info     tidings        started\\u001b[2K\\r\\u2028\\u202e\\u0085'
        '\\"}\\u007f"}'
    )
    assert json.loads(line)["user"] == FORGED + '"}\x7f'


def test_an_exception_is_a_field():
    """The traceback is text within the object."""
    line = JsonFormatter().format(record("it broke", level=logging.ERROR, error=failure("no\nway")))
    story = json.loads(line)["exception"]
    assert "\n" not in line
    assert story.startswith("Traceback (most recent call last):\n")
    assert story.endswith("\nValueError: no\nway")


def test_exception_without_an_exception():
    """`logger.exception` outside of an `except` has nothing to tell, and does not fail."""
    made = record("odd")
    made.exc_info = (None, None, None)
    assert "exception" not in json.loads(JsonFormatter().format(made))
    assert "\n" not in HumanFormatter().format(made)


def test_values_that_json_does_not_know():
    """Are written as text."""
    line = JsonFormatter().format(record(Line("odd", {"data": b"\xff", "kind": str})))
    assert json.loads(line)["data"] == "b'\\xff'"
    assert json.loads(line)["kind"] == "<class 'str'>"


# Elsewhere.


def test_other_formatters_see_text():
    """An application that configures logging itself gets message and fields as one safe text."""
    assert record(Line("dropped", {"user": "eve\n", "count": 3})).getMessage() == r'dropped user="eve\n" count=3'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("chat:lobby", "chat:lobby"),
        ("Zoë", "Zoë"),
        ("", '""'),
        ("a b", '"a b"'),
        ("a=b", '"a=b"'),
        ('say "hi"', r'"say \"hi\""'),
        ("back\\slash", r'"back\\slash"'),
        ("\x00", r"\x00"),
        ("\udc80", r"\udc80"),
        (None, "None"),
        (True, "True"),
        (1.23456789, "1.234568"),
    ],
)
def test_how_values_are_shown(value: object, text: str):
    """Bare where nothing can be mistaken, in quotation marks elsewhere."""
    assert shown(value) == text


@given(st.text())
def test_nothing_escapes_the_escaping(text: str):
    """Whatever the text, the result is printable and can be encoded."""
    assert escaped(text).isprintable()
    assert shown(text).isprintable()
    shown(text).encode()


@given(st.text(), st.dictionaries(st.sampled_from(["user", "reason", "channel"]), st.text()))
def test_every_record_is_one_line(message: str, fields: dict[str, str]):
    """In both formats, whatever is in it; JSON gives it back unchanged."""
    made = record(Line(message, fields))
    assert len(HumanFormatter().format(made).splitlines()) == 1
    line = JsonFormatter().format(made)
    assert len(line.splitlines()) == 1
    assert json.loads(line).items() >= {"message": message, **fields}.items()
