"""Real clients over real sockets, for tests of any real-time application."""

from tidings.testing.clients.centrifuge import (
    Client,
    ClientInfo,
    Encoding,
    History,
    Position,
    Publication,
    ReplyError,
    Subscription,
)
from tidings.testing.clients.conversation import Conversation
from tidings.testing.clients.crowd import (
    CentrifugeScript,
    CrowdError,
    Failure,
    ManyClients,
    Member,
    PlainScript,
    Script,
)
from tidings.testing.clients.plain import PlainClient
from tidings.testing.clients.socketio import Event, SocketIoClient
from tidings.testing.clients.stream import ConversationError, Stream
from tidings.testing.clients.transcript import Closing, Direction, Frame
from tidings.testing.clients.websocket import UpgradeRefused

__all__ = [
    "CentrifugeScript",
    "Client",
    "ClientInfo",
    "Closing",
    "Conversation",
    "ConversationError",
    "CrowdError",
    "Direction",
    "Encoding",
    "Event",
    "Failure",
    "Frame",
    "History",
    "ManyClients",
    "Member",
    "PlainClient",
    "PlainScript",
    "Position",
    "Publication",
    "ReplyError",
    "Script",
    "SocketIoClient",
    "Stream",
    "Subscription",
    "UpgradeRefused",
]
