"""What was said in a conversation, when, and in which direction; and how that looks in a failure.

Pure: frames come in with their times, lines come out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

T = TypeVar("T")

LAST_LINES = 20
"""How many frames a failure shows."""

WIDTH = 120
"""How many characters of a frame a failure shows."""

BEGINNING = 20
"""How many of a long one that it has shown already."""

# A JWT says for a while who somebody is, and what a failure shows may be kept by a build server for long.
# Every run of letters is tried once, from its first "eyJ": a long one without a dot would else take minutes.
_TOKEN = re.compile(r"(?<![\w-])((?>[\w-]*?eyJ)[\w-]{5})[\w-]*+\.[\w-]++\.[\w-]*+")


class Direction(Enum):
    """Who said it. The value is the sign in a failure."""

    SENT = "→"
    RECEIVED = "←"
    NOTED = "·"
    """Nobody: something happened to the connection, and the content says what."""


class Fate(Enum):
    """What became of a received message. The value is the remark in a failure."""

    UNREAD = "not read"
    READ = ""
    SKIPPED = "skipped"


class Closing(NamedTuple):
    """How a connection ended: the close code of RFC 6455 and the reason. 1006 is an end without a close frame."""

    code: int
    reason: str

    def __str__(self) -> str:
        return f"{self.code} {self.reason}".rstrip()


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of a connection, or a remark on the connection itself.

    `at` is in seconds since the conversation began, of a clock that never goes back.
    """

    at: float
    direction: Direction
    content: Any
    closing: Closing | None = None
    """How the connection has ended, where the remark says that it has."""


Observer = Callable[[Frame], None]
"""Hears every frame, at once and in order."""


class Letter(Generic[T]):
    """A message on its way to a reader. It may lie in several inboxes, and is read in one."""

    __slots__ = ("fate", "value")

    def __init__(self, value: T) -> None:
        self.value = value
        self.fate = Fate.UNREAD


class Transcript:
    """Every frame of a conversation, in order."""

    def __init__(self, title: str, observer: Observer | None = None) -> None:
        self.title = title
        self.frames: list[Frame] = []
        self._letters: dict[int, list[Letter[Any]]] = {}
        self._observer = observer

    def keep(self, frame: Frame) -> None:
        self.frames.append(frame)

    def add(self, frame: Frame) -> None:
        """Keep a frame, and let the observer hear it. What the observer raises is passed on."""
        self.keep(frame)
        if self._observer is not None:
            self._observer(frame)

    def attach(self, letter: Letter[Any]) -> None:
        """A message that the last frame brought, so that its line can say what became of it."""
        self._letters.setdefault(len(self.frames) - 1, []).append(letter)

    def __str__(self) -> str:
        before: dict[str, float] = {}
        lines = [self._line(place, before) for place in range(len(self.frames))[-LAST_LINES:]]
        if not lines:
            return f"The conversation with {self.title} has not begun."
        left_out = len(self.frames) - len(lines)
        earlier = [f"  … {left_out:,} earlier frames"] if left_out else []
        return "\n".join([f"The conversation with {self.title}, times in seconds:", *earlier, *lines])

    def _line(self, place: int, before: dict[str, float]) -> str:
        frame = self.frames[place]
        fates = [letter.fate for letter in self._letters.get(place, [])]
        # A frame that brings many messages is read when all of them are.
        remark = next((fate.value for fate in (Fate.UNREAD, Fate.SKIPPED) if fate in fates), "")
        text = written(frame.content)
        shown = abbreviated(text, same_as=before.get(text))
        before.setdefault(text, frame.at)
        line = f"{frame.at:8.3f} {frame.direction.value} {shown}"
        return f"{line}   ({remark})" if remark else line


def written(content: Any) -> str:
    """A frame's content on one line: text as it is, values as JSON, tokens only begun."""
    return _TOKEN.sub(r"\1…", _text(content)).replace("\n", "\\n")


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, bytes):
        return repr(content)
    try:
        return msgspec.json.encode(content).decode(errors="replace")
    except (TypeError, ValueError):
        return repr(content)


def abbreviated(text: str, *, same_as: float | None = None) -> str:
    """Its beginning, and how long it is where that is not all of it. `same_as` is when the same was shown before."""
    if len(text) <= WIDTH:
        return text
    if same_as is not None:
        return f"{text[:BEGINNING]}… (the same as at {same_as:.3f})"
    return f"{text[:WIDTH]}… ({len(text):,} characters)"
