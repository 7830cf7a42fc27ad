"""The rate limits of one node, and what is announced when one strikes.

Each is off where its rate is None. A limit holds for this node: with N nodes, or workers, N times as much gets through.
Who has no address, or no user, is not limited by it: anonymous clients are not one user.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from msgspec import Struct

from tidings import events
from tidings.errors import TooManyRequests
from tidings.gateway.admission.addresses import network
from tidings.gateway.admission.limiter import Limiter
from tidings.gateway.admission.rate import Rate
from tidings.gateway.admission.window import Window
from tidings.hooks import Hooks

CONNECTS_PER_ADDRESS = "connects_per_address"
CONNECTS_PER_USER = "connects_per_user"
COMMANDS_PER_CONNECTION = "commands_per_connection"
COMMANDS_PER_USER = "commands_per_user"


class Rates(Struct, frozen=True):
    """The settings of the same names."""

    connects_per_address: Rate | None = None
    connects_per_user: Rate | None = None
    commands_per_connection: Rate | None = None
    commands_per_user: Rate | None = None


class Admission:
    """See the module."""

    def __init__(self, rates: Rates, hooks: Hooks) -> None:
        self._rates = rates
        self._hooks = hooks
        self._addresses = limiting(CONNECTS_PER_ADDRESS, rates.connects_per_address, hooks)
        self._users = limiting(CONNECTS_PER_USER, rates.connects_per_user, hooks)
        self._commands = limiting(COMMANDS_PER_USER, rates.commands_per_user, hooks)
        self.limits_commands = bool(rates.commands_per_connection or rates.commands_per_user)

    # Connects.

    def connect_from(self, address: str, now: float) -> int:
        """Count an attempt to connect. 0 if it may go on, else the seconds after which it may be repeated."""
        if self._addresses is None or not address:
            return 0
        key = network(address)
        if self._addresses.hit(key, now):
            return 0
        self._hooks.announce(events.RateLimited(CONNECTS_PER_ADDRESS, address=address))
        return whole_seconds(self._addresses.wait(key, now))

    def look(self, client: str, user: str, now: float) -> None:
        """Make sure, before anybody is asked, that the user may connect. Raises `TooManyRequests`."""
        if self._users is not None and user and not self._users.has_room(user, now):
            self._refuse(client, user)

    def connect_as(self, client: str, user: str, now: float) -> None:
        """Count a connection of the user's. Raises `TooManyRequests`."""
        if self._users is not None and user and not self._users.hit(user, now):
            self._refuse(client, user)

    # Commands.

    def command(self, window: Window, user: str, now: float) -> tuple[str, Rate] | None:
        """Count a command of a connection, whose window this is, and of its user; or the limit that refuses it."""
        rate, commands = self._rates.commands_per_connection, self._commands
        if rate is not None and not window.has_room(rate, now):
            return COMMANDS_PER_CONNECTION, rate
        if commands is not None and user and not commands.hit(user, now):
            return COMMANDS_PER_USER, commands.rate
        if rate is not None:
            window.add(rate, now)
        return None

    def _refuse(self, client: str, user: str) -> None:
        self._hooks.announce(events.RateLimited(CONNECTS_PER_USER, client=client, user=user))
        raise TooManyRequests


def whole_seconds(wait: float) -> int:
    """As `Retry-After` says it. At the very end of a window there is no room yet, so it is always later than that."""
    return math.floor(wait) + 1


def limiting(name: str, rate: Rate | None, hooks: Hooks) -> Limiter | None:
    """A limiter that announces whom it forgets; None where there is no rate."""
    if rate is None:
        return None
    forgotten: Callable[[], None] = partial(hooks.announce, events.RateForgotten(name))
    return Limiter(rate, on_forgotten=forgotten)
