"""The channel that a command names: what every command asks of a name, in the protocol's order."""

from __future__ import annotations

from tidings.channels import names
from tidings.channels.options import ChannelOptions
from tidings.errors import BadRequest
from tidings.gateway.session.state import State
from tidings.gateway.session.steps import Ended
from tidings.wire.centrifuge import codes


def options_of(state: State, channel: str) -> ChannelOptions:
    """The options of a channel that a client may name. Raises `Ended`, `BadRequest` and `UnknownChannel`."""
    require_name(channel)
    return require_shape(state, channel)


def require_name(channel: str) -> None:
    """Raises `Ended` for no name at all, `BadRequest` for one that is too long."""
    if not channel:
        raise Ended(codes.BAD_REQUEST)
    if len(channel) > names.LENGTH_LIMIT:
        raise BadRequest


def require_shape(state: State, channel: str) -> ChannelOptions:
    """Raises `UnknownChannel`, and `BadRequest` for a name that this namespace does not have."""
    options = state.policy.namespaces.options(channel)
    if not names.is_well_formed(channel) or (options.pattern and not options.pattern.search(channel)):
        raise BadRequest
    return options
