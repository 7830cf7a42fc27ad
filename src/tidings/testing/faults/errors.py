"""What is raised when a fault cannot be done, or was not."""

from __future__ import annotations


class FaultError(Exception):
    """The fault cannot be done here; one sentence says why. Nothing has been changed."""


class FaultsMissed(AssertionError):
    """A schedule of faults has not done what it was there for, so that the test has proved nothing. Says which."""
