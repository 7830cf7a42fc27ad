"""Orders as the body of a request: a batch of the HTTP API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Raw, Struct

from tidings.app.publisher.orders import Order
from tidings.wire.centrifuge.json import twins
from tidings.wire.centrifuge.messages import NOTHING


class _Publish(Struct, frozen=True, omit_defaults=True):
    channel: str
    data: Raw = NOTHING
    b64data: str = ""
    tags: Mapping[str, str] = {}
    idempotency_key: str = ""
    skip_history: bool = False


class _Broadcast(Struct, frozen=True, omit_defaults=True):
    channels: tuple[str, ...]
    data: Raw = NOTHING
    b64data: str = ""
    tags: Mapping[str, str] = {}
    idempotency_key: str = ""
    skip_history: bool = False


class _Command(Struct, frozen=True, omit_defaults=True):
    publish: _Publish | None = None
    broadcast: _Broadcast | None = None


class _Batch(Struct, frozen=True, omit_defaults=True):
    commands: list[_Command]
    parallel: bool = False


_encode = msgspec.json.Encoder().encode


def batch(orders: Sequence[Order]) -> bytes:
    """The body of `/api/batch`. Orders of different threads need not wait for each other; those of one thread do."""
    parallel = len(orders) > 1 and len({order.thread for order in orders}) == len(orders)
    return _encode(_Batch([_command(order) for order in orders], parallel))


def _command(order: Order) -> _Command:
    data, b64data = twins(order.data)  # What is no JSON goes to a binary channel; others refuse it.
    what = (data, b64data, order.tags, order.idempotency_key, order.skip_history)
    if order.is_broadcast:
        return _Command(broadcast=_Broadcast(order.channels, *what))
    return _Command(publish=_Publish(order.channels[0], *what))
