"""Functions of the application, called with what they ask for.

What a handler gets is read from its signature, once, when it is registered:

    async def may_listen(client: Client, order_id: int) -> bool      a parameter of the channel's pattern
    async def quote(client: Client, request: QuoteRequest) -> Quote  the payload, decoded to the type
    async def left(client: Client, channel: str, code: int)          a fact, by its name

The client is always first. A parameter with a name that the pattern or the event has gets that value, converted to its
type. The payload has the name `data` where there are such names, so that a misspelt one is found at once, and any name
where there are none. Annotated as `bytes` it comes as the client sent it, otherwise it is JSON.

A value that does not fit its type is the client's error 107, and the message names the field.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, get_type_hints

import msgspec

from tidings.app.wording import plain
from tidings.errors import BadRequest
from tidings.gateway.client import Client

Function = Callable[..., Awaitable[Any]]

PAYLOAD = "data"
_FIRST = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_LATER = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Handler:
    """A function with the plan of how to call it.

    `names` are what it may ask for by name. Raises `TypeError`, naming the function, where the plan cannot be made.
    """

    def __init__(self, function: Function, names: tuple[str, ...] = (), *, takes_payload: bool = False) -> None:
        self._title = getattr(function, "__qualname__", repr(function))
        if not inspect.iscoroutinefunction(function):
            raise TypeError(f"{self._title} must be an async function")
        self.function = function
        self._named: list[tuple[str, Any]] = []
        self._payload: _Payload | None = None
        for parameter, wanted in self._parameters():
            if parameter.name in names:
                self._named.append((parameter.name, self._possible(parameter.name, wanted)))
            elif takes_payload and self._payload is None and (parameter.name == PAYLOAD or not names):
                self._payload = _Payload(parameter, self._possible(parameter.name, wanted))
            else:
                known = [*names, *self._payload_names(takes_payload)]
                raise TypeError(f"{self._title} asks for {parameter.name!r}; known here: {', '.join(known)}")

    def __repr__(self) -> str:
        return f"<Handler {self._title}>"

    async def __call__(self, client: Client, named: Mapping[str, object] = {}, payload: bytes = b"") -> Any:
        """Call the function. Raises `BadRequest`, and whatever the function raises."""
        arguments = {name: _converted(name, named[name], wanted) for name, wanted in self._named}
        if self._payload is not None and (payload or not self._payload.optional):
            arguments[self._payload.name] = self._payload.decoded(payload)
        return await self.function(client, **arguments)

    # Private steps: reading the signature.

    def _parameters(self) -> list[tuple[inspect.Parameter, Any]]:
        """The parameters after the client, with their types."""
        parameters = [*inspect.signature(self.function).parameters.values()]
        if not parameters or parameters[0].kind not in _FIRST:
            raise TypeError(f"{self._title} must take the client as its first parameter")
        others = parameters[1:]
        for parameter in others:
            if parameter.kind not in _LATER:
                asked = str(parameter.replace(annotation=parameter.empty))
                raise TypeError(f"{self._title} asks for {asked!r}; parameters are filled by their names")
        hints = self._hints()
        return [(parameter, hints.get(parameter.name, Any)) for parameter in others]

    def _hints(self) -> dict[str, Any]:
        try:
            return get_type_hints(self.function, include_extras=True)
        except NameError as error:
            raise TypeError(
                f"{self._title} is annotated with {error.name!r}, which is not there at run time"
            ) from error

    def _payload_names(self, takes_payload: bool) -> list[str]:
        name = PAYLOAD if self._payload is None else self._payload.name
        return [f"{name} (the payload)"] if takes_payload else []

    def _possible(self, name: str, wanted: Any) -> Any:
        """The type, if values can be decoded to it."""
        if wanted is object:
            return Any
        try:
            foreign = isinstance(msgspec.inspect.type_info(wanted), msgspec.inspect.CustomType)
        except TypeError as error:
            raise TypeError(f"{self._title}: {name} cannot be decoded: {error}") from error
        if foreign:
            raise TypeError(f"{self._title}: {name} cannot be decoded to {wanted!r}; use a msgspec.Struct")
        return wanted


class _Payload:
    """The parameter that gets the payload."""

    def __init__(self, parameter: inspect.Parameter, wanted: Any) -> None:
        self.name = parameter.name
        self.optional = parameter.default is not parameter.empty
        self._decode = None if wanted is bytes else msgspec.json.Decoder(wanted).decode

    def decoded(self, payload: bytes) -> Any:
        """Raises `BadRequest`."""
        if self._decode is None:
            return payload
        try:
            return self._decode(payload or b"null")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise BadRequest(f"{self.name}: {plain(error)}") from error


def _converted(name: str, value: object, wanted: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return msgspec.convert(value, wanted, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(f"{name}: {plain(error)}") from error
