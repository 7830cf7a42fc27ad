"""NATS: one server or a cluster, at most once and without history."""

from tidings.brokers.nats.address import Address, parse
from tidings.brokers.nats.broker import NatsBroker

__all__ = ["Address", "NatsBroker", "parse"]
