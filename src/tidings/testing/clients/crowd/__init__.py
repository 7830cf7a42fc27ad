"""Thousands of clients in one process."""

from tidings.testing.clients.crowd.many import CrowdError, Failure, ManyClients
from tidings.testing.clients.crowd.member import Member
from tidings.testing.clients.crowd.script import CentrifugeScript, PlainScript, Script

__all__ = ["CentrifugeScript", "CrowdError", "Failure", "ManyClients", "Member", "PlainScript", "Script"]
