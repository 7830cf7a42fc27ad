"""Why a connection or a subscription ends, as the Centrifuge client protocol numbers it.

Clients reconnect after the codes 3000 to 3499 and 4000 to 4499, and stay away after 3500 to 3999 and 4500 to 4999.
They subscribe again after the codes from 2500 on. The errors of single commands (100 to 112) are `tidings.errors`.
"""

from __future__ import annotations

from tidings.wire.centrifuge.messages import Disconnect, Unsubscribe

# The client comes back.

CONNECTION_CLOSED = Disconnect(3000, "connection closed")
SHUTDOWN = Disconnect(3001, "shutdown")
INTERNAL_ERROR = Disconnect(3004, "internal server error")
CONNECTION_EXPIRED = Disconnect(3005, "connection expired")
SUBSCRIPTION_EXPIRED = Disconnect(3006, "subscription expired")
SLOW = Disconnect(3008, "slow")
WRITE_ERROR = Disconnect(3009, "write error")
INSUFFICIENT_STATE = Disconnect(3010, "insufficient state")
FORCE_RECONNECT = Disconnect(3011, "force reconnect")
NO_PONG = Disconnect(3012, "no pong")
TOO_MANY_REQUESTS = Disconnect(3013, "too many requests")
STATE_INVALIDATED = Disconnect(3014, "state invalidated")

# The client stays away.

INVALID_TOKEN = Disconnect(3500, "invalid token")
BAD_REQUEST = Disconnect(3501, "bad request")
STALE = Disconnect(3502, "stale")
FORCE_DISCONNECT = Disconnect(3503, "force disconnect")
CONNECTION_LIMIT = Disconnect(3504, "connection limit")
CHANNEL_LIMIT = Disconnect(3505, "channel limit")
INAPPROPRIATE_PROTOCOL = Disconnect(3506, "inappropriate protocol")
PERMISSION_DENIED = Disconnect(3507, "permission denied")
NOT_AVAILABLE = Disconnect(3508, "not available")
TOO_MANY_ERRORS = Disconnect(3509, "too many errors")

# A subscription ends.

UNSUBSCRIBED_BY_SERVER = Unsubscribe(2000, "server unsubscribe")
UNSUBSCRIBED_INSUFFICIENT_STATE = Unsubscribe(2500, "insufficient state")
UNSUBSCRIBED_EXPIRED = Unsubscribe(2501, "subscription expired")
UNSUBSCRIBED_STATE_INVALIDATED = Unsubscribe(2502, "state invalidated")
