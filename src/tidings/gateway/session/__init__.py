"""What a connection may do and what happens when it does: pure, values in, effects out."""

from tidings.gateway.session.policy import Policy, Rules
from tidings.gateway.session.session import Session

__all__ = ["Policy", "Rules", "Session"]
