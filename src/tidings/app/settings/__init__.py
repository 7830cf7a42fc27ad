"""The settings: what they are, where they come from, and what is said when they cannot be."""

from tidings.app.settings.settings import Settings
from tidings.app.settings.template import template

__all__ = ["Settings", "template"]
