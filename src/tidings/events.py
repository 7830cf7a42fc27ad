"""Facts that the parts of a node announce, each a small frozen value.

A fact says what happened, in the past tense, and carries plain values only. Nobody here knows who listens.
"""

from __future__ import annotations

from msgspec import Struct


class Fact(Struct, frozen=True):
    """The root of all facts."""


class ConnectionOpened(Fact, frozen=True):
    """A client's connect command was accepted. `waited` is the time since its transport opened, in seconds."""

    client: str
    user: str
    transport: str
    codec: str
    waited: float


class ConnectionRefused(Fact, frozen=True):
    """A connection was not let in, or a request not read, with an HTTP status in place of a handshake or an answer."""

    status: int
    reason: str
    origin: str
    address: str


class ConnectionClosed(Fact, frozen=True):
    """A transport ended, whether or not its client ever connected (`client` is then empty).

    `code` is the code of the close, ours or the peer's; 1006 when there was none (RFC 6455, section 7.1.5).
    `by_server` says that the session ended it, and not the client, the network or a broken rule of the transport.
    """

    client: str
    user: str
    transport: str
    codec: str
    code: int
    reason: str
    lasted: float
    by_server: bool


class CommandHandled(Fact, frozen=True):
    """A command was answered. `code` is 0 for success, otherwise the error code of the reply."""

    method: str
    code: int
    lasted: float


class CommandFailed(Fact, frozen=True):
    """A handler or the broker raised something that is not a `TidingsError`; the client saw error 100."""

    method: str
    client: str
    error: BaseException


class Subscribed(Fact, frozen=True):
    """A subscription went live. `recovered` is None where no recovery was asked for."""

    client: str
    user: str
    channel: str
    recovered: bool | None


class Unsubscribed(Fact, frozen=True):
    """A subscription ended. `code` is 0 when the client asked for it or went away."""

    client: str
    user: str
    channel: str
    code: int


class Published(Fact, frozen=True):
    """The broker accepted a publication. `lasted` is how long it took, in seconds."""

    channel: str
    size_bytes: int
    lasted: float


class Delivered(Fact, frozen=True):
    """One publication was written to all local subscribers of its channel.

    `age` is the time since the broker accepted it, in seconds. `trace` is where it comes from, as the publication
    tells it, and `lasted` is how long encoding and writing took, in seconds; both are left out where nobody traces it.
    """

    channel: str
    subscribers: int
    size_bytes: int
    age: float
    trace: str = ""
    lasted: float = 0.0


class ApiCallHandled(Fact, frozen=True):
    """A call of the HTTP API was answered. `method` is "batch" for many in one, and "" where the API knows none such.

    `status` is that of HTTP, `code` the error code of the answer, 0 for success. `address` is the caller's.
    """

    method: str
    code: int
    status: int
    lasted: float
    address: str


class ApiCommandRefused(Fact, frozen=True):
    """A command of the HTTP API, or a channel of a broadcast, was answered with an error; in a batch each by itself."""

    method: str
    code: int


class Dropped(Fact, frozen=True):
    """Queued publications of a slow client were given up. `policy` is the name of the channel's slow policy."""

    client: str
    user: str
    channel: str
    policy: str
    count: int


class RateLimited(Fact, frozen=True):
    """A rate limit refused something: a connect, a command or a request. `limit` is the name of its setting."""

    limit: str
    client: str = ""
    user: str = ""
    address: str = ""


class ReadingPaused(Fact, frozen=True):
    """A client went on though its commands were refused, and is not read for `lasts` seconds."""

    limit: str
    client: str
    user: str
    lasts: float


class RateForgotten(Fact, frozen=True):
    """There were too many to remember, and for one of them this rate limit begins anew before its time."""

    limit: str


class GapFound(Fact, frozen=True):
    """A channel's live publications skipped offsets. `filled` says whether history had what was missing."""

    channel: str
    filled: bool
    missing: int


class BrokerLost(Fact, frozen=True):
    """The broker, or a part of it, cannot be reached any more."""

    reason: str


class BrokerResumed(Fact, frozen=True):
    """The broker is reached again. What was missed in channels with history is being read."""


class TokenRefused(Fact, frozen=True):
    """A token was not accepted. `kind` is "connection" or "subscription", `reason` one of `gateway.signatures.Reason`.

    `detail` is the name of the key or of the algorithm, where that is the reason; nothing else of the token.
    """

    kind: str
    reason: str
    detail: str
    client: str
    user: str


class KeysFetched(Fact, frozen=True):
    """A key set was fetched for the section `source` of the settings: `keys` are usable, `ignored` others are not.

    `changed` says whether these are other keys than before.
    """

    source: str
    keys: int
    ignored: int
    changed: bool


class KeysUnreachable(Fact, frozen=True):
    """A key set could not be fetched; `kept` keys of the last one that could still count."""

    source: str
    url: str
    reason: str
    kept: int


class SettingsReloaded(Fact, frozen=True):
    """Settings were read anew. `changed` are those that count from now on, `restart` those that would need a restart.

    Each is named as in "[auth] hmac_secret", without its value.
    """

    changed: tuple[str, ...]
    restart: tuple[str, ...]


class SettingsRefused(Fact, frozen=True):
    """Settings were read anew and cannot be; everything stays as it was."""

    reason: str


class WebhookBegan(Fact, frozen=True):
    """An endpoint of the application is being called. `event` is what it is asked about, or told."""

    event: str


class WebhookEnded(Fact, frozen=True):
    """A call ended, `lasted` seconds after it began. `why` says what was wrong with the endpoint, or with its answer.

    `outcome` is one of `gateway.webhooks.Outcome`; `client` is whom the call was about, "" for nobody.
    """

    event: str
    outcome: str
    lasted: float
    client: str
    why: str


class WebhookSpared(Fact, frozen=True):
    """An endpoint was not called, because it is being left alone or has too many calls already."""

    event: str
    outcome: str
    client: str


class WebhookAway(Fact, frozen=True):
    """An endpoint failed several times in a row, and is left alone for a moment."""

    event: str
    why: str


class WebhookResumed(Fact, frozen=True):
    """An endpoint that was left alone works again."""

    event: str


class NoticeQueued(Fact, frozen=True):
    """Something that happened waits for its endpoint to hear of it."""

    event: str


class NoticeDelivered(Fact, frozen=True):
    """An endpoint has heard of something, `age` seconds after it happened."""

    event: str
    age: float


class NoticesDropped(Fact, frozen=True):
    """Notices were given up.

    `full` when there was no room for newer ones, `refused` when the endpoint would not have it for too long, `stopped`
    when the node stopped.
    """

    event: str
    reason: str
    count: int
