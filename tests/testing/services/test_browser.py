"""Browser: pages of a real Chromium, each with what it complained about, and nothing left of any."""

from __future__ import annotations

import asyncio
import os
from collections.abc import MutableMapping
from pathlib import Path

import pytest
from tests.testing.services.programs import children, need, nothing_is_left_of

from tidings.testing.services import Browser, Missing, ServiceError
from tidings.testing.services.reaper import reaper, working_in

pytestmark = [pytest.mark.world, pytest.mark.L3]

SIZE = "[innerWidth, innerHeight, matchMedia('(prefers-color-scheme: dark)').matches]"
COMPLAINTS = "<script>console.warn('a');console.log('b');setTimeout(()=>{throw Error('c')})</script>"


async def test_pages_are_as_asked_for(environment: object):
    need(Browser)
    async with Browser() as browser:
        narrow = await browser.page(width=390, height=844, dark=True)
        wide = await browser.page()
        assert await narrow.evaluate(SIZE) == [390, 844, True]
        assert await wide.evaluate(SIZE) == [1280, 800, False]


async def test_a_page_can_be_that_of_a_phone(environment: object):
    """It is touched; what else a page can be is said in Playwright's words."""
    need(Browser)
    async with Browser() as browser:
        phone = await browser.page(width=360, height=740, phone=True, locale="fr-FR")
        desktop = await browser.page()
        touched = "[matchMedia('(pointer: coarse)').matches, navigator.language]"
        assert await phone.evaluate(touched) == [True, "fr-FR"]
        assert (await desktop.evaluate(touched))[0] is False


async def test_a_page_is_as_wide_as_it_was_asked_for(environment: object):
    """However long it is: no scrollbar takes from its width, or comes and lets what is there jump."""
    need(Browser)
    async with Browser() as browser:
        page = await browser.page(width=400)
        await page.set_content("<div style='height: 9999px'>")
        assert await page.evaluate("document.documentElement.clientWidth") == 400


async def test_complaints_of_a_page_are_its_own(environment: object):
    need(Browser)
    async with Browser() as browser:
        good, bad = await browser.page(), await browser.page()
        async with bad.expect_event("pageerror"):
            await bad.goto(f"data:text/html,{COMPLAINTS}")
        assert browser.errors_of(bad) == ["a", "c"]
        assert browser.errors_of(good) == []


async def test_what_could_not_be_loaded_is_named(environment: object):
    """But for the icon, for which the browser asks by itself."""
    need(Browser)
    body = b"<!doctype html><img src='/photo.png'>"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
        status, said = (b"200 OK", body) if path == b"/" else (b"404 Not Found", b"")
        head = b"HTTP/1.1 %b\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
        writer.write(head % (status, len(said)) + said)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server, Browser() as browser:
        page = await browser.page()
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        await page.goto(url)
        async with page.expect_event("console", lambda message: message.text == "the end"):
            await page.evaluate("fetch('/favicon.ico').then(() => console.log('the end'))")
        complaints = {each.partition(")")[2] for each in browser.errors_of(page)}
    assert complaints == {f": {url}photo.png"}


async def test_its_log_has_nothing_of_the_script_around_it(environment: object):
    need(Browser)
    with Browser() as browser:
        browser.process.line("DevTools listening")
        assert "DevTools listening" in browser.log
        assert "unexpected operator" not in browser.log


async def test_nothing_is_left_behind(environment: MutableMapping[str, str], tmp_path: Path):
    """No process, no profile, no temporary file."""
    need(Browser)
    environment["TMPDIR"] = str(tmp_path)
    started = children()
    async with Browser() as browser:
        await browser.page()
        group, directory = browser.process.pid, browser.directory
        assert len(children()) > len(started)
    assert nothing_is_left_of(group, directory)
    assert working_in(directory) == []
    assert [pid for pid in children() if pid not in started and pid != reaper().pid] == []
    assert os.listdir(tmp_path) == []


async def test_one_chromium_can_serve_many_connections(environment: object):
    """It runs in a plain block; each test connects to it, and has pages that know nothing of others."""
    need(Browser)
    with Browser() as browser:
        process = browser.process.pid
        for _ in range(2):
            async with browser:
                page = await browser.page()
                await page.goto(f"{browser.url}/json/version")
                assert await page.evaluate("document.cookie") == ""
                assert await page.evaluate("document.cookie = 'a=1'; document.cookie") == "a=1"
                assert browser.process.pid == process
            assert browser.is_running
        with pytest.raises(ServiceError, match="async with Browser"):
            await browser.page()


async def test_a_failure_inside_leaves_nothing(environment: object):
    need(Browser)
    with pytest.raises(ValueError, match="mine") as failure:
        async with Browser() as browser:
            group, directory = browser.process.pid, browser.directory
            browser.kill()
            raise ValueError("mine")
    assert "ended with -9 (SIGKILL)" in failure.value.__notes__[0]
    assert nothing_is_left_of(group, directory)


async def test_without_chromium_it_is_missing(environment: MutableMapping[str, str], tmp_path: Path):
    environment["PATH"] = str(tmp_path)
    with pytest.raises(Missing, match="browser is not installed: apt-get install chromium, or name it in CHROMIUM"):
        await Browser().__aenter__()
    environment["CHROMIUM"] = "/nowhere/chromium"
    with pytest.raises(Missing, match="CHROMIUM is '/nowhere/chromium', no program; name"):
        await Browser().__aenter__()


def test_the_environment_comes_first(environment: MutableMapping[str, str], tmp_path: Path):
    mine = tmp_path / "my-chromium"
    mine.touch(mode=0o755)
    environment["CHROMIUM"] = str(mine)
    assert Browser.find() == str(mine)


async def test_one_that_does_not_start_is_told(environment: MutableMapping[str, str], tmp_path: Path):
    need(Browser)
    mine = tmp_path / "my-chromium"
    mine.write_text("#!/bin/sh\necho no display\nexit 7\n")
    mine.chmod(0o755)
    environment["CHROMIUM"] = str(mine)
    with pytest.raises(
        ServiceError, match=r"browser ended with 7 while it was starting.\nIt wrote at last:\nno display"
    ):
        await Browser().__aenter__()
