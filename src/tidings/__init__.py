"""Events to people, the moment they happen.

>>> from tidings import Tidings
>>> hub = Tidings()
>>> app.mount("/realtime", hub)
>>> await hub.publish("orders:42", {"status": "shipped"})
"""

from tidings.app.replies import ConnectReply, SubscribeReply
from tidings.app.tidings import Tidings
from tidings.errors import Disconnect, TidingsError
from tidings.gateway.client import Client
from tidings.gateway.transports.uvicorn import WebSocketProtocol
from tidings.version import __version__

__all__ = [
    "Client",
    "ConnectReply",
    "Disconnect",
    "SubscribeReply",
    "Tidings",
    "TidingsError",
    "WebSocketProtocol",
    "__version__",
]
