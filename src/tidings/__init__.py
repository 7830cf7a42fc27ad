"""Events to people, the moment they happen."""

__version__ = "0.1.0"
