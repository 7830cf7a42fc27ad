"""What has arrived and is read in order, each message once.

Pure: letters are put in, and taken out as far as they are there. Waiting for them is `stream`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from tidings.testing.clients.transcript import Fate, Letter

T = TypeVar("T")


class Inbox(Generic[T]):
    """Letters in the order of their arrival.

    A letter that lies in two inboxes is read in one of them: the other then passes over it.
    """

    def __init__(self) -> None:
        self._letters: list[Letter[T]] = []
        self._first = 0
        """Nothing before it is unread."""

    @property
    def values(self) -> list[T]:
        """All that has ever arrived."""
        return [letter.value for letter in self._letters]

    @property
    def skipped(self) -> list[T]:
        """What was passed over by `take_match`."""
        return [letter.value for letter in self._letters if letter.fate is Fate.SKIPPED]

    @property
    def unread(self) -> list[T]:
        return [letter.value for letter in self._unread()]

    def put(self, letter: Letter[T]) -> None:
        self._letters.append(letter)

    def take(self, count: int) -> list[T] | None:
        """The next messages, so many at once; None, and nothing is taken, while there are fewer."""
        letters = [letter for letter, _ in zip(self._unread(), range(count), strict=False)]
        if len(letters) < count:
            return None
        for letter in letters:
            letter.fate = Fate.READ
        return [letter.value for letter in letters]

    def take_match(self, predicate: Callable[[T], bool]) -> list[T] | None:
        """The next message that fits, alone in a list; None if there is none.

        Those before it are skipped, for good. What the predicate raises is passed on, and says about which message.
        """
        for letter in self._unread():
            if fits(predicate, letter.value):
                letter.fate = Fate.READ
                return [letter.value]
            letter.fate = Fate.SKIPPED
        return None

    def _unread(self) -> Iterator[Letter[T]]:
        while self._first < len(self._letters) and self._letters[self._first].fate is not Fate.UNREAD:
            self._first += 1
        # By index, because letters may arrive while somebody looks.
        for place in range(self._first, len(self._letters)):
            if self._letters[place].fate is Fate.UNREAD:
                yield self._letters[place]


def fits(predicate: Callable[[T], bool], value: T) -> bool:
    try:
        return predicate(value)
    except Exception as error:
        error.add_note(f"This was the message: {value!r}")
        raise
