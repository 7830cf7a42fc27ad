"""A back end's publication, whichever way it came: checked, then handed to the hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidings.brokers.base import NO_GUARD, Accepted, Guard
from tidings.channels import names
from tidings.channels.formats import check_format
from tidings.channels.hub import Hub
from tidings.errors import BadRequest
from tidings.gateway.node import Node
from tidings.model import Publication


async def publish(
    node: Node,
    channel: str,
    data: bytes,
    *,
    tags: Mapping[str, str] = {},
    guard: Guard = NO_GUARD,
    skip_history: bool = False,
) -> Accepted:
    """Publish for a back end, which is not bound by the permissions of clients.

    Raises `UnknownChannel`; `BadRequest` for a name that no channel can have, and for a payload that the channel's
    namespace does not accept; `BrokerUnavailable`.
    """
    return await publish_through(node.hub, channel, data, tags=tags, guard=guard, skip_history=skip_history)


async def publish_through(
    hub: Hub[Any],
    channel: str,
    data: bytes,
    *,
    tags: Mapping[str, str] = {},
    guard: Guard = NO_GUARD,
    skip_history: bool = False,
) -> Accepted:
    """The same through a hub, which may be nobody's node."""
    options = hub.namespaces.options(channel)
    if not names.is_well_formed(channel):
        raise BadRequest("channel: a name has 1 to 255 printable ASCII characters")
    check_format(options, data)
    return await hub.publish(channel, Publication(data, tags=dict(tags)), guard=guard, skip_history=skip_history)
