"""A client of the Centrifuge protocol, version 2."""

from tidings.testing.clients.centrifuge.client import Client, ReplyError
from tidings.testing.clients.centrifuge.encoding import Encoding
from tidings.testing.clients.centrifuge.subscription import Subscription
from tidings.testing.clients.centrifuge.values import ClientInfo, History, Position, Publication

__all__ = ["Client", "ClientInfo", "Encoding", "History", "Position", "Publication", "ReplyError", "Subscription"]
