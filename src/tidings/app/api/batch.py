"""Many commands in one request, answered in their order.

Each command fares for itself: one that cannot be read, or fails, is answered with its error, and the others go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import Raw, Struct, defstruct
from msgspec.json import Decoder

from tidings.app.api.bodies import decode
from tidings.app.api.methods import GROUP, Api, failure, side_by_side
from tidings.app.api.requests import REQUESTS
from tidings.app.api.results import Error, Result
from tidings.app.wording import plain
from tidings.errors import BadRequest, MethodNotFound, TooManyRequests

Command = defstruct(
    "Command", [(method, request | None, None) for method, request in REQUESTS.items()], frozen=True, gc=False
)
"""One field for each method, of which the first that is there counts."""


class BatchRequest(Struct, frozen=True):
    commands: list[Command]  # type: ignore[valid-type]  # made at run time, from the table of methods
    parallel: bool | None = None


class _LooseBatch(Struct, frozen=True):
    """A batch with commands that are yet to be read, one by one."""

    commands: list[Raw]
    parallel: bool | None = None


class BatchResult(Struct, frozen=True):
    replies: list[Mapping[str, Result | Error]]


_TOO_MANY = failure(TooManyRequests())

_BATCH = Decoder(BatchRequest)
_LOOSE_BATCH = Decoder(_LooseBatch)
_COMMAND = Decoder(Command)


async def run(api: Api, body: bytes, admits: Callable[[], bool] | None = None) -> BatchResult:
    """Carry out a batch, each command after the one before it, or side by side where the batch asks for that.

    `admits` is asked for each command after the first, which the request itself stands for, in the order of the batch;
    one that it does not admit is answered with error 111.

    Raises `NotJson`, and `BadRequest` where the batch itself is not what it should be.
    """
    commands, parallel = _read(body)
    if admits is not None:
        commands = [command if not place or admits() else _TOO_MANY for place, command in enumerate(commands)]
    reply = partial(_reply, api)
    if parallel:
        return BatchResult(await side_by_side(reply, commands))
    replies = []
    for count, command in enumerate(commands, 1):
        replies.append(await reply(command))
        if count % GROUP == 0:
            # A broker in memory never waits, so without this a long batch would be a pause for everybody else.
            await asyncio.sleep(0)
    return BatchResult(replies)


def _read(body: bytes) -> tuple[Sequence[Any], bool]:
    """The commands, with an `Error` in place of each one that cannot be read."""
    try:
        batch = decode(_BATCH, body)
    except BadRequest:
        loose = decode(_LOOSE_BATCH, body)
        return [_read_command(command) for command in loose.commands], bool(loose.parallel)
    return batch.commands, bool(batch.parallel)


def _read_command(body: Raw) -> Any:
    try:
        return _COMMAND.decode(body)
    except (msgspec.ValidationError, RecursionError) as error:
        return failure(BadRequest(plain(error)))


async def _reply(api: Api, command: Any) -> Mapping[str, Result | Error]:
    if isinstance(command, Error):
        return {"error": command}
    for method in REQUESTS:
        if (request := getattr(command, method)) is not None:
            answer = await api.call(method, request)
            return {"error" if isinstance(answer, Error) else method: answer}
    return {"error": failure(MethodNotFound())}
