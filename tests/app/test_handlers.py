"""What handlers are called with, and which functions cannot be handlers."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Annotated, Any

import msgspec
import pydantic
import pytest

from tidings.app.handlers import Handler
from tidings.errors import BadRequest
from tidings.gateway.client import Client

pytestmark = pytest.mark.shell

NAMES = ("channel", "order_id")


class Side(Enum):
    BUY = "buy"
    SELL = "sell"


class Leg(msgspec.Struct):
    symbol: str
    amount: int


class Order(msgspec.Struct):
    legs: list[Leg]
    side: Side = Side.BUY


class Invoice(pydantic.BaseModel):
    number: int


class Line:
    """A connection that nothing is asked of."""


CLIENT = Client(Line())  # type: ignore[arg-type]


def handler_for(wanted: Any, *, default: Any = ...) -> Handler:
    """A handler with a payload of that type; it returns what it gets."""
    if default is ...:

        async def take(client: Client, data: Any) -> Any:
            return data
    else:

        async def take(client: Client, data: Any = default) -> Any:
            return data

    take.__annotations__["data"] = wanted
    return Handler(take, takes_payload=True)


class TestPayload:
    @pytest.mark.parametrize(
        ("wanted", "payload", "value"),
        [
            (str, b'"a"', "a"),
            (int, b"7", 7),
            (Any, b'{"a":[1]}', {"a": [1]}),
            (object, b'{"a":[1]}', {"a": [1]}),
            (Mapping[str, list[int]], b'{"a":[1]}', {"a": [1]}),
            (list[int], b"[1,2]", [1, 2]),
            (int | None, b"null", None),
            (Side, b'"sell"', Side.SELL),
            (Leg, b'{"symbol":"TID","amount":3}', Leg("TID", 3)),
            (Order, b'{"legs":[{"symbol":"TID","amount":3}],"more":1}', Order([Leg("TID", 3)])),
            (bytes, b"\xff\x00 not JSON", b"\xff\x00 not JSON"),
            (msgspec.Raw, b'{"a": 1}', msgspec.Raw(b'{"a": 1}')),
        ],
    )
    async def test_it_is_decoded_to_its_type(self, wanted: Any, payload: bytes, value: object) -> None:
        """Bytes come as the client sent them, for channels that are not JSON."""
        assert await handler_for(wanted)(CLIENT, payload=payload) == value

    @pytest.mark.parametrize(
        ("wanted", "payload", "message"),
        [
            (int, b'"7"', "data: Expected int, got str"),
            (str, b"7", "data: Expected str, got int"),
            (Side, b'"hold"', "data: Invalid enum value 'hold'"),
            (Leg, b"{}", "data: Object missing required field symbol"),
            (Leg, b'{"symbol":"TID"}', "data: Object missing required field amount"),
            (Leg, b'{"symbol":"TID","amount":"3"}', "data: Expected int, got str, at amount"),
            (Leg, b"[]", "data: Expected object, got array"),
            (list[Leg], b"[3]", "data: Expected object, got int, at [0]"),
            (Order, b'{"legs":[{"symbol":1}]}', "data: Expected str, got int, at legs[0].symbol"),
            (Order, b'{"legs":[],"side":"hold"}', "data: Invalid enum value 'hold', at side"),
            (Annotated[int, msgspec.Meta(gt=0)], b"0", "data: Expected int >= 1"),
            (Any, b"{", "data: Input data was truncated"),
            (Any, b"\xff", "data: JSON is malformed: invalid character (byte 0)"),
            (int, b"", "data: Expected int, got null"),
        ],
    )
    async def test_what_does_not_fit_is_a_bad_request(self, wanted: Any, payload: bytes, message: str) -> None:
        """Error 107, and its message names the parameter and the field."""
        with pytest.raises(BadRequest) as raised:
            await handler_for(wanted)(CLIENT, payload=payload)
        assert (raised.value.code, raised.value.message) == (107, message)

    async def test_deep_nesting_is_a_bad_request(self) -> None:
        """What no stack can hold is the client's mistake."""
        with pytest.raises(BadRequest):
            await handler_for(Any)(CLIENT, payload=b"[" * 100_000)

    @pytest.mark.parametrize(
        ("wanted", "default", "value"), [(int, 5, 5), (bytes, b"x", b"x"), (Any, ..., None), (bytes, ..., b"")]
    )
    async def test_a_client_may_send_none(self, wanted: Any, default: Any, value: object) -> None:
        """Then the default stands, or what is nothing for the type."""
        assert await handler_for(wanted, default=default)(CLIENT) == value

    async def test_a_default_does_not_hide_what_was_sent(self) -> None:
        assert await handler_for(int, default=5)(CLIENT, payload=b"6") == 6
        with pytest.raises(BadRequest):
            await handler_for(int, default=5)(CLIENT, payload=b'"6"')

    async def test_a_handler_may_do_without(self) -> None:
        """What is not asked for is not looked at, so it cannot be wrong."""

        async def take(client: Client) -> Client:
            return client

        assert await Handler(take, takes_payload=True)(CLIENT, payload=b"{") is CLIENT


class TestNames:
    async def test_they_come_as_their_types(self) -> None:
        async def take(client: Client, order_id: int, channel: str) -> tuple[int, str]:
            return order_id, channel

        handler = Handler(take, NAMES, takes_payload=True)
        assert await handler(CLIENT, {"channel": "orders:42", "order_id": "42"}, b"{") == (42, "orders:42")

    async def test_without_a_type_they_are_texts(self) -> None:
        async def take(client, order_id):  # type: ignore[no-untyped-def]
            return order_id

        assert await Handler(take, NAMES)(CLIENT, {"order_id": "42"}) == "42"

    @pytest.mark.parametrize("text", ["4x", "4.5", "042", "--4", " 4"])
    async def test_what_does_not_fit_is_a_bad_request(self, text: str) -> None:
        """Error 107, and its message names the parameter."""

        async def take(client: Client, order_id: int) -> int:
            return order_id

        with pytest.raises(BadRequest) as raised:
            await Handler(take, NAMES)(CLIENT, {"order_id": text})
        assert (raised.value.code, raised.value.message) == (107, "order_id: Expected int, got str")

    async def test_limits_in_the_annotation_hold(self) -> None:
        async def take(client: Client, order_id: Annotated[int, msgspec.Meta(ge=1)]) -> int:
            return order_id

        with pytest.raises(BadRequest, match="order_id: Expected int >= 1"):
            await Handler(take, NAMES)(CLIENT, {"order_id": "0"})

    async def test_they_stand_beside_the_payload(self) -> None:
        """The payload of a handler that has names is called `data`."""

        async def take(client: Client, data: Leg, order_id: int) -> tuple[Leg, int]:
            return data, order_id

        handler = Handler(take, NAMES, takes_payload=True)
        assert await handler(CLIENT, {"order_id": "1"}, b'{"symbol":"TID","amount":3}') == (Leg("TID", 3), 1)

    async def test_facts_come_as_they_are(self) -> None:
        async def take(client: Client, reason: str, code: int) -> tuple[int, str]:
            return code, reason

        assert await Handler(take, ("code", "reason"))(CLIENT, {"code": 3000, "reason": "3"}) == (3000, "3")


def plain(client: Client) -> bool:
    return True


async def nobody() -> None: ...


async def everybody(*clients: Client) -> None: ...


async def keyword_client(*, client: Client) -> None: ...


async def misspelt(client: Client, orderid: int) -> None: ...


async def greedy(client: Client, **rest: Any) -> None: ...


async def positional(client: Client, channel: str, /) -> None: ...


async def unresolved(client: Client, data: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


async def foreign(client: Client, data: Invoice) -> None: ...


async def contradictory(client: Client, data: Invoice | Line) -> None: ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (plain, "plain must be an async function"),
        (nobody, "nobody must take the client as its first parameter"),
        (everybody, "everybody must take the client as its first parameter"),
        (keyword_client, "keyword_client must take the client as its first parameter"),
        (misspelt, "misspelt asks for 'orderid'; known here: channel, order_id, data (the payload)"),
        (greedy, "greedy asks for '**rest'; parameters are filled by their names"),
        (positional, "positional asks for 'channel'; parameters are filled by their names"),
        (unresolved, "unresolved is annotated with 'Nowhere', which is not there at run time"),
        (foreign, "foreign: data cannot be decoded to <class "),
        (contradictory, "contradictory: data cannot be decoded: Type unions may not contain more than one"),
    ],
)
def test_what_cannot_be_a_handler_is_refused_at_once(function: Callable[..., Any], message: str) -> None:
    """A TypeError while the module is imported, which names the function; not an error 100 at night."""
    with pytest.raises(TypeError, match=re.escape(message)):
        Handler(function, NAMES, takes_payload=True)


async def two_payloads(client: Client, request: int, second: int) -> None: ...


async def wants_payload(client: Client, code: int, data: int) -> None: ...


def test_there_is_one_payload_at_most() -> None:
    with pytest.raises(TypeError, match=r"two_payloads asks for 'second'; known here: request \(the payload\)"):
        Handler(two_payloads, takes_payload=True)
    with pytest.raises(TypeError, match=r"wants_payload asks for 'data'; known here: code, reason$"):
        Handler(wants_payload, ("code", "reason"))


class Desk:
    async def take(self, client: Client, data: int) -> int:
        return data


async def test_a_method_may_be_a_handler() -> None:
    assert await Handler(Desk().take, takes_payload=True)(CLIENT, payload=b"3") == 3


async def test_a_wrapped_function_keeps_its_signature() -> None:
    """As decorators write it: what the inner function asks for is what counts."""

    async def inner(client: Client, data: int) -> int:
        return data

    @functools.wraps(inner)
    async def outer(*args: Any, **kwargs: Any) -> int:
        return await inner(*args, **kwargs)

    assert await Handler(outer, takes_payload=True)(CLIENT, payload=b"3") == 3


def test_a_handler_shows_its_function() -> None:
    assert repr(Handler(Desk().take, takes_payload=True)) == "<Handler Desk.take>"
