"""Proof of delivery: what happened in a run, and whether every promise was kept in it."""

from tidings.testing.delivery.accounts import Account
from tidings.testing.delivery.checker import Broken, PromiseBroken, Verdict, check
from tidings.testing.delivery.history import History
from tidings.testing.delivery.invariants import Invariant, Violation
from tidings.testing.delivery.observer import Observer
from tidings.testing.delivery.recorder import Failure, Recorder, judge
from tidings.testing.delivery.records import (
    AnyRecord,
    Connected,
    Delivered,
    Disconnected,
    FaultInjected,
    GapTold,
    How,
    PresenceSeen,
    PublishFailed,
    PublishInvoked,
    PublishOk,
    PublishUnknown,
    Record,
    Subscribed,
    Unsubscribed,
)
from tidings.testing.delivery.rules import ChannelRules, Rules
from tidings.testing.delivery.run import BadHistory
from tidings.testing.delivery.tags import Tag, stamped, stamped_bytes, tag_of

__all__ = [
    "Account",
    "AnyRecord",
    "BadHistory",
    "Broken",
    "ChannelRules",
    "Connected",
    "Delivered",
    "Disconnected",
    "Failure",
    "FaultInjected",
    "GapTold",
    "History",
    "How",
    "Invariant",
    "Observer",
    "PresenceSeen",
    "PromiseBroken",
    "PublishFailed",
    "PublishInvoked",
    "PublishOk",
    "PublishUnknown",
    "Record",
    "Recorder",
    "Rules",
    "Subscribed",
    "Tag",
    "Unsubscribed",
    "Verdict",
    "Violation",
    "check",
    "judge",
    "stamped",
    "stamped_bytes",
    "tag_of",
]
