"""Functions of the application, called with what they ask for.

What a handler gets is read from its signature, once, when it is registered:

    async def may_listen(client: Client, order_id: int) -> bool      a parameter of the channel's pattern
    async def quote(client: Client, request: QuoteRequest) -> Quote  the payload, decoded to the type
    async def left(client: Client, channel: str, code: int)          a fact, by its name

The client is always first. A parameter that the pattern or the event names gets that value, converted to its type; the
one that is left gets the payload. A value that does not fit its type is the client's error 107, and the message names
the field.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, get_type_hints

import msgspec

from tidings.errors import BadRequest
from tidings.gateway.client import Client

Function = Callable[..., Awaitable[Any]]


class Handler:
    """A function with the plan of how to call it. `names` are what it may ask for by name."""

    def __init__(self, function: Function, names: tuple[str, ...] = (), *, takes_payload: bool = False) -> None:
        if not inspect.iscoroutinefunction(function):
            raise TypeError(f"{function.__qualname__} must be an async function")
        hints = get_type_hints(function)
        parameters = list(inspect.signature(function).parameters.values())
        if not parameters:
            raise TypeError(f"{function.__qualname__} must take the client as its first parameter")
        self.function = function
        self._named: list[tuple[str, Any]] = []
        self._payload: msgspec.json.Decoder[Any] | None = None
        for parameter in parameters[1:]:
            wanted = hints.get(parameter.name, Any)
            if parameter.name in names:
                self._named.append((parameter.name, wanted))
            elif takes_payload and self._payload is None:
                self._payload_name, self._payload = parameter.name, msgspec.json.Decoder(wanted)
                self._optional = parameter.default is not parameter.empty
            else:
                known = ", ".join(names) or "nothing"
                raise TypeError(f"{function.__qualname__} asks for {parameter.name!r}; known here: {known}")

    async def __call__(self, client: Client, named: Mapping[str, object] = {}, payload: bytes = b"") -> Any:
        """Call the function. Raises `BadRequest`, and whatever the function raises."""
        arguments = {name: _converted(name, named[name], wanted) for name, wanted in self._named}
        if self._payload is not None and (payload or not self._optional):
            arguments[self._payload_name] = self._decoded(payload)
        return await self.function(client, **arguments)

    def _decoded(self, payload: bytes) -> Any:
        assert self._payload is not None
        try:
            return self._payload.decode(payload or b"null")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise BadRequest(f"{self._payload_name}: {_plain(error)}") from error


def _converted(name: str, value: object, wanted: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return msgspec.convert(value, wanted, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(f"{name}: {_plain(error)}") from error


def _plain(error: Exception) -> str:
    """The message of the decoder, which names the field, in our typography."""
    return str(error).replace("`", "").replace(" - at $.", ", at ").replace("$", "")
