"""Settings that are read anew while the server runs: on a signal, when their files change, or when the program says so.

What may change at once does. Everything else stays as it is until a restart, and is named. Settings that cannot be
change nothing at all. Connections stay, whatever happens: a key that is gone refuses tokens from then on, and whoever
was let in by it stays until that token has to be renewed.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from tidings import events
from tidings.app.renewal import differences
from tidings.app.renewal.certificate import Certificate, load
from tidings.app.renewal.differences import Change
from tidings.app.renewal.files import INTERVAL, Look, Watch, look
from tidings.app.settings import Settings
from tidings.app.settings.layers import Place
from tidings.errors import SettingsError
from tidings.gateway.keys import Trust
from tidings.hooks import Hooks
from tidings.observability import logs

RENEWED = "[server] tls_certificate"
"""What is said to have changed when the files hold another certificate."""


class Renewal:
    """See the module. `take` is called with the settings that count from then on.

    Files are watched from `start`, in an event loop, until `stop`.
    """

    def __init__(self, settings: Settings, trust: Trust, hooks: Hooks, take: Callable[[Settings], None]) -> None:
        self.settings = settings
        self._trust = trust
        self._hooks = hooks
        self._take = take
        self._live: Collection[Place] = differences.KEYS
        self._certificate: Certificate | None = None
        self._shown: Look | None = None
        """The files of the certificate that is shown; None until they were looked at."""
        self._again = settings.again
        self._lock = asyncio.Lock()
        self._called = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watching: asyncio.Task[None] | None = None

    def own(self, certificate: Certificate | None) -> None:
        """This process is the hub's own: its logs, and the certificate that it serves with, are renewed as well."""
        self._certificate = certificate
        self._live = (*differences.KEYS, *differences.LOGS, *(differences.CERTIFICATE if certificate else ()))

    # Life.

    async def start(self) -> None:
        """Begin to watch, unless that has begun. What has changed since the settings were read is read first.

        Cancelled, it has not begun: that is left to the next call.
        """
        if self._loop is not None:
            return
        self._loop = asyncio.get_running_loop()
        if self._again is None:
            return
        try:
            await self._begin()
        except asyncio.CancelledError:
            self._loop = None
            raise

    async def _begin(self) -> None:
        seen = await asyncio.to_thread(look, self._files())
        if self.settings.files:
            with suppress(SettingsError):
                await self.reload(asked=False)
        self._watching = asyncio.create_task(self._watch(Watch(seen)), name="watch over the settings")

    async def stop(self) -> None:
        """Watch no more."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])

    def hasten(self) -> None:
        """Read the settings anew as soon as may be. Can be called from a signal handler."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._called.set)

    # What it is about.

    async def reload(self, given: Settings | None = None, *, asked: bool = True) -> Change:
        """Read the settings anew, or take the given ones, and have those count that can.

        Unless it was `asked` for, nothing is said when nothing has changed. Raises `SettingsError`, and then nothing
        has changed. Cancelling it leaves either the old settings or the new ones.
        """
        async with self._lock:
            try:
                change = await self._reload(given, asked=asked)
            except SettingsError as error:
                self._hooks.announce(events.SettingsRefused(error.message))
                raise
        if change or asked:
            self._hooks.announce(events.SettingsReloaded(change.live, change.restart))
        return change

    async def _reload(self, given: Settings | None, *, asked: bool) -> Change:
        found = await asyncio.to_thread(self._read) if given is None else given
        live = differences.applicable(self._live, self.settings, found)
        settings = differences.merged(self.settings, found, live)
        change = differences.change(self.settings, found, live)
        renewed = await self._load(settings)
        # Nothing is awaited from here on, and what may fail comes first: all of it counts, or nothing.
        if asked or settings.auth != self.settings.auth:
            self._trust.change(settings.auth.connections, settings.auth.subscriptions)
        if self._certificate is not None and renewed is not None:
            self._certificate.use(renewed.context)
            if self._shown is not None and RENEWED not in change.live:
                change = Change((*change.live, RENEWED), change.restart)
            self._shown = renewed.look
        if settings.log.level != self.settings.log.level:
            logs.configure(settings.log.format, settings.log.level)
        self.settings = settings
        self._take(settings)
        return change

    def _read(self) -> Settings:
        return self.settings if self._again is None else self._again()

    async def _load(self, settings: Settings) -> _Renewed | None:
        """The certificate, if its files are not those that were loaded. Raises `SettingsError`."""
        if self._certificate is None:
            return None
        names = settings.server.tls_certificate, settings.server.tls_key
        seen = await asyncio.to_thread(look, map(Path, names))
        if seen == self._shown:
            return None
        return _Renewed(await asyncio.to_thread(load, *names), seen)

    # The watch.

    def _files(self) -> list[Path]:
        server = self.settings.server
        names = [server.tls_certificate, server.tls_key] if self._certificate is not None else []
        return [*self.settings.files, *map(Path, names)]

    async def _watch(self, watch: Watch) -> None:
        while True:
            asked = await self._wait()
            seen = await asyncio.to_thread(look, self._files())
            if asked:
                watch.know(seen)
            if asked or watch.has_changed(seen):
                with suppress(SettingsError):  # It has been announced.
                    await self.reload(asked=asked)

    async def _wait(self) -> bool:
        """Until it is time to look again. Returns whether somebody has asked for more than a look."""
        try:
            async with asyncio.timeout(INTERVAL):
                await self._called.wait()
        except TimeoutError:
            return False
        self._called.clear()
        return True


class _Renewed(Struct, frozen=True):
    context: ssl.SSLContext
    look: Look
