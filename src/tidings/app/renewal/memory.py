"""The settings that count, for a process that serves nobody itself and starts those who do."""

from __future__ import annotations

from tidings.app.renewal import differences
from tidings.app.renewal.files import INTERVAL, Watch, look
from tidings.app.settings import Settings
from tidings.errors import SettingsError
from tidings.observability import logs

LIVE = (*differences.KEYS, *differences.LOGS, *differences.CERTIFICATE)


class Memory:
    """Keeps up with the files as a `Renewal` does, in a process without a loop: `look` once per `interval` seconds.

    It says nothing about what it finds, because those who serve do.
    """

    interval = INTERVAL

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._watch = Watch(look(settings.files))

    def look(self, *, asked: bool = False) -> None:
        """Read the settings anew if their files have changed or that is `asked` for; wrong ones count for nothing."""
        changed = self._watch.has_changed(look(self.settings.files))
        if not (changed or asked) or self.settings.again is None:
            return
        try:
            found = self.settings.again()
        except SettingsError:
            return
        live = differences.applicable(LIVE, self.settings, found)
        before, self.settings = self.settings, differences.merged(self.settings, found, live)
        if self.settings.log.level != before.log.level:
            logs.configure(self.settings.log.format, self.settings.log.level)
