"""A service as a block: it is there inside of the block, and gone after it, in plain and in asynchronous code.

    with RedisServer() as redis:            async with RedisServer() as redis:
        connect(redis.url)                      await connect(redis.url)

Errors of services:

    ServiceError        did not start, or cannot do what it was asked for
    └── Missing         cannot be had on this machine; says how to get it
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import ClassVar, Self


class ServiceError(Exception):
    """A service did not start, or ended when it should not have. Says what it wrote at last, and what may help."""


class Missing(ServiceError):
    """There is no such service, no program and no container for it. Begins with its name, and says how to get one."""


class Block(ABC):
    """Something that is started and stopped, whatever happens in between.

    Starting and stopping take their time. In asynchronous code they do so in a thread. Cancelling a block that is
    about to begin ends the start early and stops what it has started; cancelling one that is about to end waits for
    the end. Either way nothing is left when the cancelled task ends.
    """

    name: ClassVar[str]
    """How the service is called in messages, and by `--require`."""

    def __init__(self) -> None:
        self._is_unwanted = False

    @abstractmethod
    def start(self) -> None:
        """Start it, and return when it is ready. Raises `ServiceError`, and has then left nothing behind."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it, gently first, and remove what it has kept. Repeating it is harmless."""

    @abstractmethod
    def report(self) -> str:
        """How it is, and the last of what it wrote; for failures."""

    def give_up(self) -> None:
        """Let a start that is under way in another thread fail soon."""
        self._is_unwanted = True

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note(self.report())
        self.stop()

    async def __aenter__(self) -> Self:
        self._is_unwanted = False
        try:
            await to_its_end(self.__enter__, when_cancelled=self.give_up)
        except asyncio.CancelledError:
            await to_its_end(self.stop)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await to_its_end(lambda: self.__exit__(kind, error, traceback))


async def to_its_end(work: Callable[[], object], *, when_cancelled: Callable[[], None] = lambda: None) -> None:
    """Do what blocks in a thread. A thread cannot be cancelled: whoever cancels waits for its end, and its outcome,
    an error as well, is then nobody's."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
            when_cancelled()
    if cancelled is not None:
        task.exception()
        raise cancelled
    task.result()
