"""The promises of Tidings that a run can break, in the words of its design (section 4; section 1 for `PERMISSION`)."""

from __future__ import annotations

from tidings.testing.delivery.rules import ChannelRules

WITH_HISTORY = (
    "channel with history: in offset order; after a reconnect inside the retention: every publication exactly once to "
    "a client that reports its position; outside it: told `recovered: false`"
)
WITHOUT_HISTORY = "channel without history: at most once, in order per publisher, no duplicates"
LOSSLESS = "channel without history, in a run that says `lossless`: every publication to every subscriber"
INBOX = "inbox: at least once per device"
PUBLISH = 'publish call: returns after the broker has it. Never "accepted and dropped", never published twice'
STREAM = (
    "broker restarts: a stream that was lost or went back gets a new epoch before its next publication or history "
    "read, and every client is told. A false alarm is acceptable, a reused offset is not"
)
PERMISSION = "nobody sees what is not theirs"
PRESENCE = "presence: converges to the living set within one lease of a node's death"
FAULTS = "a delivery checker proves the promises, with every scheduled fault shown to have fired"


def of_channel(rules: ChannelRules) -> str:
    """What is promised to the subscribers of a channel."""
    if rules.may_repeat:
        return INBOX
    if rules.history:
        return WITH_HISTORY
    return LOSSLESS if rules.lossless else WITHOUT_HISTORY
