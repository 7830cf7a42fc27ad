"""What a failure shows of a conversation."""

from __future__ import annotations

import pytest

from tidings.testing.clients.transcript import (
    LAST_LINES,
    WIDTH,
    Closing,
    Direction,
    Fate,
    Frame,
    Letter,
    Transcript,
    abbreviated,
    written,
)

pytestmark = pytest.mark.core


def test_it_shows_time_direction_and_content() -> None:
    transcript = Transcript("ws://host/ws")
    transcript.add(Frame(0.0, Direction.NOTED, "opened"))
    transcript.add(Frame(0.0014, Direction.SENT, {"join": "lobby"}))
    transcript.add(Frame(12.5, Direction.RECEIVED, "hello\nyou"))
    assert str(transcript).splitlines() == [
        "The conversation with ws://host/ws, times in seconds:",
        "   0.000 · opened",
        '   0.001 → {"join":"lobby"}',
        "  12.500 ← hello\\nyou",
    ]


def test_without_a_frame_it_says_so() -> None:
    assert str(Transcript("ws://host/ws")) == "The conversation with ws://host/ws has not begun."


def test_only_the_last_frames_are_shown() -> None:
    """How many there were before them is said."""
    transcript = Transcript("x")
    for number in range(LAST_LINES + 1234):
        transcript.add(Frame(number, Direction.RECEIVED, number))
    lines = str(transcript).splitlines()
    assert lines[1] == "  … 1,234 earlier frames"
    assert len(lines) == LAST_LINES + 2
    assert lines[-1].endswith(f"← {LAST_LINES + 1233}")


def test_a_line_says_what_became_of_its_message() -> None:
    """A frame that brings several is unread as long as one of them is."""
    transcript = Transcript("x")
    transcript.add(Frame(0.0, Direction.RECEIVED, "a, b and c"))
    letters = [Letter(value) for value in "abc"]
    for letter in letters:
        transcript.attach(letter)
    assert str(transcript).endswith("a, b and c   (not read)")
    letters[0].fate, letters[1].fate, letters[2].fate = Fate.READ, Fate.SKIPPED, Fate.READ
    assert str(transcript).endswith("a, b and c   (skipped)")
    letters[1].fate = Fate.READ
    assert str(transcript).endswith("a, b and c")


def test_an_observer_hears_every_frame() -> None:
    heard: list[Frame] = []
    transcript = Transcript("x", heard.append)
    frame = Frame(1.0, Direction.SENT, "hello")
    transcript.add(frame)
    assert heard == transcript.frames == [frame]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("as it is", "as it is"),
        ({"a": [1, None]}, '{"a":[1,null]}'),
        (b"\x00\xff", r"b'\x00\xff'"),
        (object, "<class 'object'>"),
        ({"token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl"}, '{"token":"eyJhbGci…"}'),
    ],
)
def test_content_is_one_line(content: object, text: str) -> None:
    """A token is not spelled out, since failures are kept by build servers."""
    assert written(content) == text


def test_long_content_is_cut_and_measured() -> None:
    assert abbreviated("x" * WIDTH) == "x" * WIDTH
    assert abbreviated("x" * 5000) == "x" * WIDTH + "… (5,000 characters)"


def test_a_long_content_is_shown_once() -> None:
    """Whoever says it again: then its beginning and the first time are enough."""
    transcript = Transcript("x")
    for at, direction in ((1.0, Direction.SENT), (1.5, Direction.RECEIVED), (2.0, Direction.SENT)):
        transcript.add(Frame(at, direction, "x" * 50_000))
    transcript.add(Frame(3.0, Direction.SENT, "y" * 50_000))
    assert [len(line) for line in str(transcript).splitlines()[1:]] == [152, 55, 55, 152]
    assert str(transcript).splitlines()[3] == "   2.000 → xxxxxxxxxxxxxxxxxxxx… (the same as at 1.000)"


def test_a_closing_is_a_pair_that_reads_well() -> None:
    assert Closing(3503, "force disconnect") == (3503, "force disconnect")
    assert str(Closing(1006, "")) == "1006"


@pytest.mark.parametrize("before", ["", "Bearer ", "token=", "%22", "access_"])
def test_a_token_is_found_wherever_it_stands(before: str) -> None:
    assert written(f"{before}eyJhbGciOiJI.eyJzdWIiOiI0.c2ln") == f"{before}eyJhbGci…"


@pytest.mark.timeout(5)
def test_a_long_text_without_an_end_is_no_token() -> None:
    """It is looked through once, and not from each of its places."""
    text = "eyJhbGciOiJ" * 60_000
    assert written(text) == text
