"""A log record as one line: `HumanFormatter` for people, `JsonFormatter` for programs.

Whatever a client sends may end up in a log, so no value is trusted here. Line breaks, control characters and characters
that cannot be seen are written as escapes, in messages, fields and tracebacks alike. A record is one line. Where a
traceback follows it, every line of that is indented, and cannot be taken for a record.
"""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import Struct

from tidings import traces
from tidings.traces import Trace

_BARE = re.compile(r'[^\s"=\\]+')
"""What needs no quotation marks to be told from what stands around it."""

BRIEF = 8
"""How many digits of a trace's id people get to see: enough to find it among those of a day."""

_RESET, _DIM = "\x1b[0m", "\x1b[2m"
_COLOURS: Mapping[int, str] = {
    logging.DEBUG: _DIM,
    logging.INFO: "\x1b[32m",
    logging.WARNING: "\x1b[33m",
    logging.ERROR: "\x1b[31m",
    logging.CRITICAL: "\x1b[1;31m",
}


class Line(Struct, frozen=True):
    """A message with fields: `logger.info(Line("listening", {"port": 8000}))`.

    To formatters other than ours it is the text `listening port=8000`, made only when it is asked for. `trace` is where
    it belongs, if not to what is being done when it is written.
    """

    text: str
    fields: Mapping[str, object] = {}
    trace: Trace | None = None

    def __str__(self) -> str:
        return " ".join([escaped(self.text), *(f"{name}={shown(value)}" for name, value in self.fields.items())])


class HumanFormatter(logging.Formatter):
    """Local time, level, logger, message, fields and the trace in columns; colours only where they were asked for."""

    def __init__(self, *, colours: bool = False) -> None:
        super().__init__()
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).isoformat(" ", "milliseconds")
        level = f"{record.levelname.lower():<7}"
        if self._colours:
            time = f"{_DIM}{time}{_RESET}"
            level = f"{_COLOURS.get(record.levelno, '')}{level}{_RESET}"
        line = _line(record)
        columns = [
            time,
            level,
            f"{escaped(record.name):<13}",
            escaped(line.text),
            *map(self._field, line.fields.items()),
        ]
        if (trace := _trace(line)) is not None:
            columns.append(self._field(("trace", trace.trace_id[:BRIEF])))
        story = (f"    {escaped(line)}" for line in _traceback(record).split("\n") if line)
        return "\n".join(["  ".join(columns), *story])

    def _field(self, field: tuple[str, object]) -> str:
        name, value = field
        return f"{_DIM}{name}={_RESET}{shown(value)}" if self._colours else f"{name}={shown(value)}"


class JsonFormatter(logging.Formatter):
    """One JSON object: time (RFC 3339, UTC), level, logger, message, the fields, and `exception` with a traceback.

    What is written in a trace has `trace_id` and `span_id` as well.
    """

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).replace(tzinfo=None).isoformat("T", "milliseconds")
        line = _line(record)
        values: dict[str, object] = {
            "time": f"{time}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": line.text,
            **line.fields,
        }
        if (trace := _trace(line)) is not None:
            values |= {"trace_id": trace.trace_id, "span_id": trace.span_id}
        if story := _traceback(record):
            values["exception"] = story
        # Everything that is not printable ASCII becomes an escape.
        return json.dumps(values, default=str)


def escaped(text: str) -> str:
    """The text without anything that could move the cursor, end the line or hide."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def shown(value: object) -> str:
    """A field's value, in quotation marks where it could be taken for more than one."""
    text = f"{value:.6f}" if isinstance(value, float) else str(value)
    if _BARE.fullmatch(text):
        return escaped(text)
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped(quoted)}"'


def _line(record: logging.LogRecord) -> Line:
    return record.msg if isinstance(record.msg, Line) else Line(record.getMessage().rstrip("\n"))


def _trace(line: Line) -> Trace | None:
    if line.trace is not None:
        return line.trace
    span = traces.current()
    return None if span is None else span.trace


def _traceback(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    return "".join(traceback.format_exception(error)).rstrip("\n") if error is not None else ""
