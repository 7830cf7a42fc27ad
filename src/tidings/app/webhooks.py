"""The endpoints that the settings name, put together: `Webhooks` is what a hub starts and stops with.

The HTTP client is imported only where there is an endpoint.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from tidings.app.settings import Settings
from tidings.channels.namespaces import Namespaces
from tidings.clock import Clock
from tidings.errors import SettingsError
from tidings.gateway.application import Application, NoApplication
from tidings.gateway.node import Node
from tidings.gateway.webhooks.terms import Event, Terms
from tidings.hooks import Hooks

if TYPE_CHECKING:
    from tidings.gateway.webhooks.endpoint import Endpoint
    from tidings.gateway.webhooks.notices import Notices
    from tidings.gateway.webhooks.proxies import Proxies
    from tidings.gateway.webhooks.states import States

TOLD = (Event.DISCONNECT, Event.UNSUBSCRIBE, Event.STATE)
"""The others are asked."""


class Webhooks:
    """The endpoints of one hub. Raises `SettingsError` where a certificate file cannot be used."""

    def __init__(self, settings: Settings, namespaces: Namespaces, hooks: Hooks, clock: Clock) -> None:
        self._settings = settings
        self._namespaces = namespaces
        self._hooks = hooks
        self._clock = clock
        self._proxies: Proxies | None = None
        self._notices: Notices | None = None
        self._states: States | None = None
        if any(proxy.endpoint for _, proxy in settings.proxy):
            self._open()

    @property
    def application(self) -> Application:
        """What they decide."""
        return self._proxies or NoApplication()

    def attend(self, node: Node) -> None:
        """Watch the channels of a node, where an endpoint wants to hear of them."""
        if self._notices is None or self._notices.about(Event.STATE) is None:
            return
        from tidings.gateway.webhooks.states import States

        self._states = States(
            node.id,
            node.neighbours,
            self._namespaces,
            self._notices,
            self._hooks,
            self._clock,
            debounce=self._settings.proxy.state.debounce,
        )
        self._hooks.listen(self._states)
        node.farewells.append(self._states.stop)

    async def stop(self) -> None:
        """Deliver what waits, as far as there is time, and let go of all connections. After the node has stopped."""
        if self._notices is not None:
            await self._notices.stop()
        if self._proxies is not None:
            await self._proxies.close()

    # Private steps.

    def _open(self) -> None:
        from tidings.gateway.webhooks.notices import Notices
        from tidings.gateway.webhooks.proxies import Proxies

        endpoints = {Event(event): self._endpoint(event) for event, proxy in self._settings.proxy if proxy.endpoint}
        told = {event: endpoint for event, endpoint in endpoints.items() if event in TOLD}
        asked = {event: endpoint for event, endpoint in endpoints.items() if event not in TOLD}
        self._notices = Notices(told, self._hooks, self._clock)
        self._proxies = Proxies(asked, self._namespaces, self._clock, self._notices)

    def _endpoint(self, event: str) -> Endpoint:
        from tidings.gateway.webhooks.endpoint import Endpoint

        values = getattr(self._settings.proxy, event).terms
        known = {name: value for name, value in values.items() if name in Terms.__struct_fields__}
        headers = tuple(name.lower() for name in values["http_headers"])
        try:
            return Endpoint(
                Terms(**{**known, "event": Event(event), "http_headers": headers}), self._hooks, self._clock
            )
        except OSError as error:  # SSLError is one.
            reason = error if isinstance(error, ssl.SSLError) else error.strerror
            raise SettingsError(f"[proxy.{event}] ca_file cannot be used: {values['ca_file']}: {reason}.") from error
