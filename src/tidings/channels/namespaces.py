"""Which options a channel has."""

from __future__ import annotations

from collections.abc import Mapping

from tidings.channels import names
from tidings.channels.options import ChannelOptions
from tidings.errors import UnknownChannel


class Namespaces:
    """The options by namespace, fixed once a node has started."""

    def __init__(self, default: ChannelOptions, named: Mapping[str, ChannelOptions] | None = None) -> None:
        self._options = {"": default, **(named or {})}

    def options(self, channel: str) -> ChannelOptions:
        """The options of a channel. Raises `UnknownChannel` where its namespace is not configured."""
        try:
            return self._options[names.namespace(channel)]
        except KeyError:
            raise UnknownChannel from None

    def knows(self, namespace: str) -> bool:
        return namespace in self._options

    def define(self, namespace: str, options: ChannelOptions) -> None:
        """Set the options of a namespace, or with "" of the channels without one."""
        self._options[namespace] = options
