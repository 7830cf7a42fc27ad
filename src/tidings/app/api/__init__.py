"""The HTTP API, for back ends: Centrifugo's methods, so that its client libraries can be used as they are."""

from tidings.app.api.http import routes
from tidings.app.api.methods import Handler

__all__ = ["Handler", "routes"]
