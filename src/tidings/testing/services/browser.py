"""A browser: Chromium, driven by Playwright."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import urlsplit

import httpx2

from tidings.testing.services.base import HOST, Service
from tidings.testing.services.block import Missing, ServiceError, to_its_end

if TYPE_CHECKING:  # Playwright is needed by those who enter the block, and by nobody else.
    from playwright.async_api import Browser as Chromium
    from playwright.async_api import ConsoleMessage, Page

VARIABLE = "CHROMIUM"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
SWITCHES = (
    "--headless",
    "--no-sandbox",  # Its sandbox refuses root, and wants what containers do not have.
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",  # In containers that is too small; its directory is not.
    "--disable-breakpad",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",  # A page is as wide as it was asked for.
    "--log-level=3",  # It complains of every desktop service that a server does not have.
)

NOT_LOADED = "Failed to load resource"
"""How Chromium begins when an answer is an error or does not come. It does not say of what."""

WRAPPER = re.compile(r"^\S*/chromium: \d+: .*: unexpected operator$")
"""What Debian's script around Chromium complains of itself."""


class Browser(Service):
    """A Chromium with a profile of its own. An asynchronous block connects to it, and then gives pages:

    >>> async with Browser() as browser:
    ...     page = await browser.page(width=390, height=844, dark=True)
    ...     await page.goto(node.url)
    ...     assert browser.errors_of(page) == []

    A plain block only lets Chromium run. Entered asynchronously in there, it connects and disconnects, which spares
    each test a start.
    """

    name = "browser"
    hints: ClassVar[Mapping[str, str]] = {
        **Service.hints,
        "error while loading shared libraries": "Chromium lacks a library: install it from your system's packages.",
    }

    def __init__(self) -> None:
        super().__init__()
        self._chromium: Chromium | None = None
        self._errors: dict[Page, list[str]] = {}
        self._connection = AsyncExitStack()
        self._runs_for_block = False  # Rather than for a plain one around it.

    # Pages.

    async def page(
        self, *, width: int = 1280, height: int = 800, dark: bool = False, phone: bool = False, **options: Any
    ) -> Page:
        """An empty page of its own: without cookies, storage or cache of others. It is closed with the block.

        `width` and `height` are in CSS pixels; `dark` is what the person prefers; a `phone` is touched, and heeds what
        the page says of its viewport. Further `options` are those of Playwright's `new_context`, such as `locale`.
        Raises `ServiceError` outside of an asynchronous block.
        """
        if self._chromium is None:
            raise ServiceError("Pages are there in an asynchronous block: async with Browser() as browser.")
        context = await self._chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            is_mobile=phone,
            has_touch=phone,
            **options,
        )
        page = await context.new_page()
        self._listen(page)
        return page

    def errors_of(self, page: Page) -> list[str]:
        """What a page has complained about so far: errors and warnings in its console, and uncaught exceptions.

        What could not be loaded is named with its address. That there is no `/favicon.ico` is left out: it is the
        browser that asks for it, and not the page.
        """
        return list(self._errors[page])

    def _listen(self, page: Page) -> None:
        heard = self._errors[page] = []

        def hear(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning") and (said := complaint(message.text, message.location["url"])):
                heard.append(said)

        page.on("console", hear)
        page.on("pageerror", lambda error: heard.append(str(error)))

    # Finding it.

    @classmethod
    def find(cls) -> str | None:
        """The path of Chromium, if it is installed. Raises `Missing` if the environment names one that is not there."""
        named = os.environ.get(VARIABLE, "")
        if named and shutil.which(named) is None:
            raise Missing(
                f"{cls.name} is not there: {VARIABLE} is {named!r}, no program; name Chromium there, or unset it."
            )
        return next(filter(None, map(shutil.which, (named,) if named else PROGRAMS)), None)

    @classmethod
    def require(cls) -> None:
        """Raise `Missing` if there can be no browser here."""
        if importlib.util.find_spec("playwright") is None:
            raise Missing(f"{cls.name} needs Playwright: pip install playwright (its own browsers are not needed).")
        if cls.find() is None:
            raise Missing(f"{cls.name} is not installed: apt-get install chromium, or name it in {VARIABLE}.")

    # How it starts and stops.

    @property
    def url(self) -> str:
        """Where tools that speak its DevTools protocol find it."""
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        self.require()
        super().start()

    def command(self) -> list[str]:
        program = self.find()
        assert program is not None
        profile = f"--user-data-dir={self.directory / 'profile'}"
        return [program, *SWITCHES, f"--remote-debugging-port={self.port}", profile, "about:blank"]

    def environment(self) -> Mapping[str, str]:
        """What it keeps elsewhere than in its profile is kept in the directory as well."""
        return {**os.environ, "HOME": str(self.directory), "TMPDIR": str(self.directory)}

    @property
    def log(self) -> str:
        return "\n".join(line for line in super().log.splitlines() if not WRAPPER.match(line))

    def is_ready(self) -> bool:
        with suppress(httpx2.HTTPError):
            return httpx2.get(f"{self.url}/json/version", timeout=1.0, trust_env=False).is_success
        return False

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as connection:
            if not self.port:
                await super().__aenter__()
                self._runs_for_block = True
                connection.push_async_callback(to_its_end, self.stop)
            await self._connect(connection)
            self._connection = connection.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None and self._runs_for_block:
            error.add_note(self.report())
        self._chromium, self._runs_for_block = None, False
        self._errors.clear()
        await self._connection.aclose()

    async def _connect(self, connection: AsyncExitStack) -> None:
        from playwright.async_api import Error, async_playwright

        playwright = await connection.enter_async_context(async_playwright())
        try:
            self._chromium = await playwright.chromium.connect_over_cdp(self.url)
        except Error as error:
            raise ServiceError(f"Playwright cannot connect to Chromium: {error}\n{self.report()}") from error
        connection.push_async_callback(self._chromium.close)


def complaint(text: str, url: str) -> str:
    """What a line of the console is as a complaint, "" for none. `url` is where it comes from."""
    if not text.startswith(NOT_LOADED):
        return text
    return "" if urlsplit(url).path == "/favicon.ico" else f"{text}: {url}"
