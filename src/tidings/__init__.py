"""Events to people, the moment they happen.

>>> from tidings import Tidings
>>> hub = Tidings()
>>> app.mount("/realtime", hub)
>>> await hub.publish("orders:42", {"status": "shipped"})
"""

import importlib
import typing

from tidings.version import __version__

if typing.TYPE_CHECKING:
    from tidings.app.publisher import AsyncPublisher, Publisher
    from tidings.app.replies import ConnectReply, SubscribeReply
    from tidings.app.tidings import Tidings
    from tidings.errors import Disconnect, TidingsError
    from tidings.gateway.client import Client
    from tidings.gateway.transports.uvicorn import WebSocketProtocol

__all__ = [
    "AsyncPublisher",
    "Client",
    "ConnectReply",
    "Disconnect",
    "Publisher",
    "SubscribeReply",
    "Tidings",
    "TidingsError",
    "WebSocketProtocol",
    "__version__",
]

_HOMES = {
    "AsyncPublisher": "tidings.app.publisher",
    "Client": "tidings.gateway.client",
    "ConnectReply": "tidings.app.replies",
    "Disconnect": "tidings.errors",
    "Publisher": "tidings.app.publisher",
    "SubscribeReply": "tidings.app.replies",
    "Tidings": "tidings.app.tidings",
    "TidingsError": "tidings.errors",
    "WebSocketProtocol": "tidings.gateway.transports.uvicorn",
}
"""Where each name lives. It is fetched when it is first asked for (PEP 562): the whole server takes half a second to
import, which a pytest that merely finds our plugin installed should not spend."""


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value
