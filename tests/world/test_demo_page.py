"""The demo page in a real browser, from a real `tidings serve --demo`."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from playwright.async_api import Expect, Page, Request, WebSocket
from tests.world.command import PATIENCE

from tidings.testing import Browser, TidingsNode

pytestmark = [pytest.mark.world, pytest.mark.L3]

Visit = Callable[..., Awaitable[Page]]

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740, "phone": True}

expect = Expect()
expect.set_options(timeout=1000 * PATIENCE)


@pytest.fixture(scope="module")
def server() -> Iterator[TidingsNode]:
    with TidingsNode(arguments=["--demo"]) as server:
        yield server


@pytest.fixture
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """Open the page as somebody new, and wait until it is live. What is wrong with a page fails the test."""
    pages: list[Page] = []
    elsewhere: list[str] = []

    async def visit(server: TidingsNode, **screen: Any) -> Page:
        page = await browser.page(**(DESKTOP | screen))
        pages.append(page)
        watch(page, server.port, elsewhere)
        await page.goto(server.url)
        await state(page, "live")
        return page

    async with browser:
        yield visit
        complaints = [complaint for page in pages for complaint in browser.errors_of(page)]
    assert complaints + elsewhere == []


def watch(page: Page, port: int, elsewhere: list[str]) -> None:
    """Note whom the page asks besides its server."""
    ours = re.compile(rf"(http|ws)://127\.0\.0\.1:{port}/")

    def follow(request: Request | WebSocket) -> None:
        if not ours.match(request.url):
            elsewhere.append(f"a request to {request.url}")

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
async def test_line_from_the_page(server: TidingsNode, visit: Visit, unique: str) -> None:
    """What the page's line publishes from a terminal appears on the page."""
    page = await visit(server)
    await paste(page, unique)
    await expect(message(page, unique)).to_have_count(1)


async def test_two_tabs(server: TidingsNode, visit: Visit, unique: str) -> None:
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


async def test_pause(server: TidingsNode, visit: Visit, unique: str) -> None:
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
    async with TidingsNode(arguments=["--demo"]) as server, browser:
        page = await browser.page()
        await page.goto(server.url)
        await state(page, "live")
        await say(page, "kept by nobody")
        await expect(message(page, "kept by nobody")).to_have_count(1)
        server.kill()
        await state(page, "reconnecting")
        await asyncio.to_thread(server.restart)
        await state(page, "live")
        await expect(page.locator(".line[data-kind=lost]")).to_have_count(1)
        await say(page, "and on")
        await expect(message(page, "and on")).to_have_count(1)
        await page.close()


async def test_keyboard_on_a_phone(server: TidingsNode, visit: Visit, unique: str) -> None:
    """The box is reached with the Tab key and Enter sends, on a small screen too."""
    page = await visit(server, **PHONE)
    for _ in range(5):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.id") == "text":
            break
    await page.keyboard.type(f"typed {unique}")
    await page.keyboard.press("Enter")
    await expect(message(page, f"typed {unique}")).to_have_count(1)


async def test_every_screen(server: TidingsNode, visit: Visit, unique: str) -> None:
    """On a desktop and on a phone, by day and by night, nothing is wider than the screen."""
    papers = set()
    for screen in (DESKTOP, PHONE):
        for scheme in ("light", "dark"):
            page = await visit(server, dark=scheme == "dark", **screen)
            await say(page, f"{scheme} {'long' * 40} {unique}")
            await expect(message(page, f"{scheme} {'long' * 40} {unique}").first).to_be_visible()
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (screen, scheme)
            papers.add(await page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
    assert len(papers) == 2
