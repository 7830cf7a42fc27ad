"""What the description of the HTTP API says about methods, fields and statuses, one sentence each."""

from __future__ import annotations

from collections.abc import Mapping

ABOUT = (
    "Publishing, and everything else that a back end asks of a Tidings server. Its shapes are those of Centrifugo. "
    "Fields that are not known are ignored; null counts as absent, except in `data` and `params`."
)

KEYS: Mapping[str, Mapping[str, str]] = {
    "key": {"in": "header", "name": "X-API-Key", "description": "The key of `[api] key`."},
    "authorization": {"in": "header", "name": "Authorization", "description": "The word `apikey`, a space, the key."},
    "query": {"in": "query", "name": "api_key", "description": "The key; it may end up in the logs of proxies."},
}

ERROR_MODE = "`transport`: the HTTP status carries an error, and the body is the error alone."

ANSWER = "The result; or the error, unless statuses carry errors."

METHODS: Mapping[str, str] = {
    "publish": "Publish to a channel.",
    "broadcast": "Publish the same to many channels.",
    "subscribe": "Subscribe a user's connections to a channel.",
    "unsubscribe": "End a user's subscriptions to a channel, or to all of them.",
    "disconnect": "End a user's connections.",
    "refresh": "Say until when a user's connections last, or that they have ended.",
    "presence": "Everybody in a channel, by connection.",
    "presence_stats": "How many connections and users are in a channel.",
    "history": "What a channel keeps.",
    "history_remove": "Forget what a channel keeps.",
    "channels": "Channels with subscribers.",
    "info": "The nodes, and what is connected to each.",
    "rpc": "Call a method of the application's own.",
    "batch": "Carry out many commands; each is answered for itself.",
    "legacy": "Any method, named in the body.",
}

_JSON, _TEXT = "application/json", "text/plain"

STATUSES: Mapping[int, tuple[str, tuple[str, ...]]] = {
    400: ("The body is no JSON object; or, where statuses carry errors, error 107 or 108.", (_TEXT, _JSON)),
    401: ("The key is missing or wrong.", (_TEXT,)),
    404: ("Where statuses carry errors: error 102 or 104.", (_JSON,)),
    405: ("Only POST is answered.", (_TEXT,)),
    408: ("The request took too long to arrive.", (_TEXT,)),
    413: ("The body is too long.", (_TEXT,)),
    416: ("Where statuses carry errors: error 112.", (_JSON,)),
    429: ("Too many requests; or, where statuses carry errors, error 111.", (_TEXT, _JSON)),
    431: ("The head of the request is too long.", (_TEXT,)),
    500: ("Where statuses carry errors: error 100; it is worth repeating if it is `temporary`.", (_JSON,)),
}
"""What can be answered besides 200: what it means, and as what it comes."""

HEADERS: Mapping[str, tuple[tuple[int, ...], str, bool]] = {
    "WWW-Authenticate": ((401,), "`apikey`.", True),
    "Allow": ((405,), "`POST`.", True),
    "Retry-After": ((429,), "Seconds to wait.", False),
}
"""Which statuses have a header, what it says, and whether it is always there."""

SCHEMAS: Mapping[str, str] = {
    "BatchRequest": "Commands, to be carried out in their order.",
    "BatchResult": "A reply to each command, in their order.",
    "BroadcastRequest": "What to publish, and where.",
    "BroadcastResult": "How each channel fared, in the order of the request.",
    "ChannelInfo": "A channel.",
    "ChannelsRequest": "Which channels.",
    "ChannelsResult": "Channels by name.",
    "ClientInfo": "A connection, as others see it.",
    "Closing": "Why a connection ends.",
    "Command": "One method with its request; of several the first counts.",
    "DisconnectRequest": "Whose connections end.",
    "Done": "It is done.",
    "Error": "Why there is no result.",
    "Failure": "An error in place of a result.",
    "Flag": "An option that is overridden.",
    "HistoryRemoveRequest": "Which channel.",
    "HistoryRequest": "Which channel, and which part of its stream.",
    "HistoryResult": "Publications, and where the stream ends.",
    "InfoRequest": "Nothing is asked.",
    "InfoResult": "The nodes that answered within a second.",
    "LegacyRequest": "A method, and what its own path takes as the body.",
    "NodeInfo": "One process.",
    "Position": "A position in a stream.",
    "PresenceRequest": "Which channel.",
    "PresenceResult": "Connections by their id.",
    "PresenceStatsRequest": "Which channel.",
    "PresenceStatsResult": "How many there are.",
    "Publication": "One message of a channel.",
    "PublishRequest": "What to publish, and where.",
    "PublishResult": "The position of the publication; empty in a channel without history.",
    "RPCRequest": "Which method, and what it gets.",
    "RPCResult": "What the method returned.",
    "RefreshRequest": "Whose connections, and until when.",
    "Response": "A result or an error.",
    "SubscribeRequest": "Whom to subscribe, and where.",
    "UnsubscribeRequest": "Whose subscriptions end.",
}

FIELDS: Mapping[str, str] = {
    "channel": "The name of a channel.",
    "UnsubscribeRequest.channel": "The name of a channel; empty for all of them.",
    "channels": "Names of channels.",
    "ChannelsResult.channels": "By name.",
    "Command.channels": "",
    "data": "A payload, anything that JSON can say.",
    "b64data": "A payload in base64, which wins over `data`.",
    "info": "What others see of the connection, anything that JSON can say.",
    "Publication.info": "Who published it.",
    "b64info": "The same in base64, which wins over `info`.",
    "conn_info": "What the connection's token or the application said about it.",
    "chan_info": "What was said about it for this channel.",
    "b64conn_info": "The same in base64, where it is no JSON.",
    "b64chan_info": "The same in base64, where it is no JSON.",
    "tags": "Words about the publication, which filters can look at.",
    "skip_history": "Deliver it, and do not keep it.",
    "idempotency_key": "Of publications with the same key within five minutes the first counts.",
    "version": "In a channel with history, what is not above the last version is not published.",
    "NodeInfo.version": "Of Tidings.",
    "version_epoch": "Versions begin anew with another epoch.",
    "user": "The user's id; empty for everybody who is anonymous.",
    "client": "A connection's id; absent for all of the user's connections.",
    "session": "An emulated connection; this version has none.",
    "expire_at": "Unix seconds; 0 for never.",
    "expired": "End the connections now, with 3005.",
    "recover_since": "Hand out what was published since then.",
    "persist": "Subscribe the user again whenever they connect, until they are unsubscribed.",
    "override": "Options of the channel that differ for this subscription.",
    "whitelist": "The ids of connections that stay.",
    "code": "See the table of errors.",
    "Closing.code": "From 3000; whether clients come back depends on it.",
    "reason": "At most 123 bytes of UTF-8.",
    "limit": "How many publications; 0 for the position alone, a negative number for everything.",
    "since": "What comes after this position.",
    "reverse": "Newest first.",
    "pattern": "With *, ? and [abc].",
    "method": "The name of a method.",
    "params": "What the method gets, anything that JSON can say.",
    "offset": "1, 2, 3 and so on within an epoch.",
    "epoch": "Changes when the stream was lost or made anew.",
    "message": "For people.",
    "temporary": "The same request may succeed a little later.",
    "commands": "At most what a body has room for.",
    "parallel": "Carry them out side by side.",
    "num_clients": "Connections.",
    "num_users": "Users.",
    "num_channels": "Channels with subscribers.",
    "num_subs": "Subscriptions.",
    "uid": "Of this run of the node.",
    "name": "Of its host.",
    "uptime": "Seconds.",
    "value": "On or off.",
}
"""By field, or by schema and field where that differs."""
