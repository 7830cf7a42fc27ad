"""The demo page in a real browser, from a real `tidings serve --demo`."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from playwright.async_api import Browser, ConsoleMessage, Expect, Page, Request, WebSocket, async_playwright
from tests.dashboard.demo.conftest import CHROMIUM, SWITCHES
from tests.world.server import PATIENCE, Server, serve

pytestmark = [
    pytest.mark.world,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium on the PATH"),
]

Visit = Callable[..., Awaitable[Page]]

DESKTOP = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}

expect = Expect()
expect.set_options(timeout=1000 * PATIENCE)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(serve("--demo")) as server:
        yield server


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        await browser.close()


@pytest.fixture
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """Open the page as somebody new, and wait until it is live. What is wrong with a page fails the test."""
    complaints: list[str] = []

    async def visit(server: Server, **options: Any) -> Page:
        context = await browser.new_context(**(DESKTOP | options))
        page = await context.new_page()
        watch(page, server.port, complaints)
        await page.goto(server.url)
        await state(page, "live")
        return page

    yield visit
    assert complaints == []


def watch(page: Page, port: int, complaints: list[str]) -> None:
    """Note errors, what the console is told, and whom the page asks besides its server."""
    ours = re.compile(rf"(http|ws)://127\.0\.0\.1:{port}/")

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    def follow(request: Request | WebSocket) -> None:
        if not ours.match(request.url):
            complaints.append(f"a request to {request.url}")

    page.on("console", hear)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", follow)
    page.on("websocket", follow)


async def state(page: Page, name: str) -> None:
    """Wait until the page says that this is its state."""
    await expect(page.locator("#state")).to_have_attribute("data-state", name)


async def say(page: Page, text: str) -> None:
    await page.fill("#text", text)
    await page.press("#text", "Enter")


async def paste(page: Page, text: str) -> None:
    """Run the page's line for the terminal, with another text."""
    line = await page.locator("#curl").text_content()
    assert line is not None
    process = await asyncio.create_subprocess_shell(
        line.replace('"Hello from a terminal"', json.dumps(text)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    answer, _ = await process.communicate()
    assert "result" in json.loads(answer)


def message(page: Page, text: str) -> Any:
    """The messages on the page with this text."""
    return page.locator(".message", has=page.get_by_text(text, exact=True))


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl on the PATH")
async def test_line_from_the_page(server: Server, visit: Visit, unique: str) -> None:
    """What the page's line publishes from a terminal appears on the page."""
    page = await visit(server)
    await paste(page, unique)
    await expect(message(page, unique)).to_have_count(1)


async def test_two_tabs(server: Server, visit: Visit, unique: str) -> None:
    """What one visitor types the other sees, once; both see who is here, and the one who stays sees the other go."""
    one, other = await visit(server), await visit(server)
    await expect(one.locator("#people li")).to_have_count(2)
    await expect(other.locator("#people li")).to_have_count(2)
    await say(one, f"typed {unique}")
    await expect(message(other, f"typed {unique}")).to_have_count(1)
    await expect(message(one, f"typed {unique}")).to_have_attribute("data-own", "true")
    name = await other.locator("#me").text_content()
    await other.close()
    await expect(one.locator("#people li")).to_have_count(1)
    await expect(one.locator(".line").last).to_have_text(f"{name} left")


async def test_pause(server: Server, visit: Visit, unique: str) -> None:
    """What is published during a pause arrives when the page comes back by itself, once and in order."""
    page, other = await visit(server), await visit(server)
    await say(page, f"before {unique}")
    await expect(message(page, f"before {unique}")).to_have_count(1)
    await page.click("#pause")
    await state(page, "reconnecting")
    texts = [f"{number} of {unique}" for number in range(3)]
    for text in texts:
        await say(other, text)
        await expect(message(other, text)).to_have_count(1)
    await state(page, "live")
    recovered = page.locator(".message[data-recovered=true]")
    await expect(recovered).to_have_count(3)
    assert await recovered.locator(".text").all_text_contents() == texts
    await expect(page.locator(".line[data-kind=recovered]")).to_have_text("Recovered 3 messages after a reconnect")


async def test_restarted_server(browser: Browser) -> None:
    """A server that was started anew knows neither keys nor messages of before: the page comes back, and says so."""
    with Server(serve("--demo")) as first:
        page = await browser.new_page()
        await page.goto(first.url)
        await state(page, "live")
        await say(page, "kept by nobody")
        await expect(message(page, "kept by nobody")).to_have_count(1)
        first.signal(signal.SIGKILL)
        await state(page, "reconnecting")
    with Server(serve("--demo", port=first.port)) as second:
        await state(page, "live")
        await expect(page.locator(".line[data-kind=lost]")).to_have_count(1)
        await say(page, "and on")
        await expect(message(page, "and on")).to_have_count(1)
        await page.close()
        await asyncio.to_thread(second.stop)


async def test_keyboard_on_a_phone(server: Server, visit: Visit, unique: str) -> None:
    """The box is reached with the Tab key and Enter sends, on a small screen too."""
    page = await visit(server, **PHONE)
    for _ in range(5):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.id") == "text":
            break
    await page.keyboard.type(f"typed {unique}")
    await page.keyboard.press("Enter")
    await expect(message(page, f"typed {unique}")).to_have_count(1)


async def test_every_screen(server: Server, visit: Visit, unique: str) -> None:
    """On a desktop and on a phone, by day and by night, nothing is wider than the screen."""
    papers = set()
    for screen in (DESKTOP, PHONE):
        for scheme in ("light", "dark"):
            page = await visit(server, color_scheme=scheme, **screen)
            await say(page, f"{scheme} {'long' * 40} {unique}")
            await expect(message(page, f"{scheme} {'long' * 40} {unique}").first).to_be_visible()
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (screen, scheme)
            papers.add(await page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
    assert len(papers) == 2
