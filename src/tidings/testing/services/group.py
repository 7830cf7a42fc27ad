"""Several programs that are one service together.

What is done to them is done to a member: each is a service of its own, with `kill`, `pause`, `resume` and `restart`.
Afterwards `settle` waits until they have found together again.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from tidings.testing.services.base import Service, ask_until
from tidings.testing.services.block import Block, ServiceError
from tidings.testing.services.found import Found, without_password


class Group(Found, Block):
    """Members that are started one after the other, and stopped in reverse."""

    patience: float = 20.0
    """Seconds that they may take to find together."""

    def __init__(self) -> None:
        super().__init__()
        self.given = ""
        """The address from the environment, where there is one."""
        self.members: Sequence[Service] = ()
        """All of them, in the order in which they were started; none of a group that is given."""
        self._running = ExitStack()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.members)}>"

    # What a subclass says.

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients find it, for those who know how to look for one of several."""

    @abstractmethod
    def assemble(self) -> Iterator[Service]:
        """The members, each to be started before the next is asked for."""

    @abstractmethod
    def trouble(self) -> str:
        """What is still missing to a whole, in a few words; "" for nothing. Neither waits long nor raises."""

    # Its life.

    def start(self) -> None:
        self.require()
        self.given = self.address()
        try:
            if not self.given:
                for member in self.assemble():
                    self.members = [*self.members, member]
                    self._running.enter_context(member)
            self.settle()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self._running.close()
        self.members, self.given = (), ""

    def give_up(self) -> None:
        super().give_up()
        for member in self.members:
            member.give_up()

    def report(self) -> str:
        if self.given:
            return f"{self.name} at {without_password(self.given)} is given by {self.variable()}; its logs are there."
        return "\n\n".join([f"{self!r}: {self.trouble() or 'whole'}", *(member.report() for member in self.members)])

    def settle(self) -> None:
        """Return when all of them are there and agree. Raises `ServiceError` if that takes too long."""
        if ask_until(self._is_whole, self.patience_with_given if self.given else self.patience):
            return
        if self.given:
            raise ServiceError(
                f"{self.name} at {without_password(self.given)} does not answer as a whole ({self.trouble()}): start "
                f"it, or unset {self.variable()} to have one of your own."
            )
        raise ServiceError(f"{self.name} did not find together within {self.patience:g} s.\n{self.report()}")

    def _is_whole(self) -> bool:
        if self._is_unwanted:
            raise ServiceError(f"{self.name} was given up while it was starting.")
        return not self.trouble()

    def refuse_given(self, done: str) -> None:
        """Raise `ServiceError` for what is only done to a group of ours."""
        if self.given:
            raise ServiceError(
                f"{self.name} is given by {self.variable()}, and what belongs to somebody else is not {done} here; "
                "unset the variable to have one of your own."
            )
