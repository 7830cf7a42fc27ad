"""A fault as something that can be begun, ended and asked what it did: alone as a block, or in a `FaultSchedule`."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import ClassVar, Self


class Fault(ABC):
    """One thing that goes wrong with one other thing.

        with Kill(node):                    async with Kill(node):
            ...                                 ...

    Inside of the block it is wrong, after the block it is right again. A fault serves once.
    """

    blocks: ClassVar[bool] = True
    """Whether `begin` and `end` may wait, so that beside a running loop they belong into a thread."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What goes wrong with what, such as "kill redis"."""

    @abstractmethod
    def begin(self) -> None:
        """Do it. Raises `FaultError` when it cannot be done, and has then changed nothing."""

    def end(self) -> None:  # noqa: B027, most have nothing to undo
        """Undo it. Repeating it is harmless, and so is undoing what has ended by itself."""

    @abstractmethod
    def effect(self) -> str:
        """What it has really done so far, as a phrase; "" for nothing. Asks nobody once the fault has ended."""

    def __repr__(self) -> str:
        return f"<{self.name}: {self.effect() or 'has touched nothing'}>"

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()

    async def __aenter__(self) -> Self:
        try:
            await self.perform(self.begin)
        except asyncio.CancelledError:
            await self.perform(self.end)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.perform(self.end)

    async def perform(self, step: Callable[[], None]) -> None:
        """Take a step without making the loop wait for it. Cancelling waits until the step has been taken."""
        if not self.blocks:
            step()
            return
        taken = asyncio.ensure_future(asyncio.to_thread(step))
        try:
            await asyncio.shield(taken)
        except asyncio.CancelledError:
            await asyncio.wait([taken])
            taken.exception()  # Whoever cancels does not want to know.
            raise


def counted(count: int, what: str) -> str:
    """A count with its noun, such as "1 connection" and "2 connections"."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
