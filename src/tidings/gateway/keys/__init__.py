"""Whose signature counts: keys of the settings, keys that are fetched, and both of several issuers."""

from tidings.gateway.keys.trust import Realm, Trust, Verifies

__all__ = ["Realm", "Trust", "Verifies"]
