"""The demo page's routes: what they answer, with which headers, and that nothing comes from elsewhere."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from importlib.resources import files

import httpx2
import pytest
from starlette.applications import Starlette

from tidings.dashboard.demo import routes
from tidings.dashboard.demo.page import MEDIA_TYPES

pytestmark = pytest.mark.shell

CURL = """curl -H 'X-API-Key: k' -d '{"channel":"demo:lobby"}' http://127.0.0.1:8000/api/publish"""
PACKAGE = files("tidings.dashboard.demo")


@pytest.fixture
def app() -> Starlette:
    """Built before the loop runs, as `tidings serve` does: the files are read here."""
    return Starlette(routes=routes(lambda name: f"token of {name}", "demo:lobby", CURL))


@pytest.fixture
async def page(app: Starlette) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://localhost") as client:
        yield client


def path_of(name: str) -> str:
    return "/" if name == "index.html" else f"/demo/{name}"


@pytest.mark.parametrize("name", MEDIA_TYPES)
async def test_file_is_served_with_its_type(page: httpx2.AsyncClient, name: str) -> None:
    """Each file is answered as it is, with its own media type, which the browser may not second-guess."""
    answer = await page.get(path_of(name))
    assert answer.status_code == 200
    assert answer.content == PACKAGE.joinpath(name).read_bytes()
    assert answer.headers.get_list("content-type") == [MEDIA_TYPES[name]]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/demo/app.js", "/demo/session?name=Heron", "/demo/session"])
async def test_nothing_is_cached_and_nothing_inline_runs(page: httpx2.AsyncClient, path: str) -> None:
    """Every answer forbids caching, and permits neither inline code nor anything from elsewhere."""
    answer = await page.get(path)
    policy = answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy


async def test_every_file_of_the_package_is_served(page: httpx2.AsyncClient) -> None:
    """No file of the page was forgotten, and nothing else of the package can be had."""
    kept = {file.name for file in PACKAGE.iterdir() if file.is_file() and not file.name.endswith(".py")}
    assert kept == set(MEDIA_TYPES)
    for path in ("/demo/page.py", "/demo/__init__.py", "/demo/../page.py", "/demo/index.html", "/demo/"):
        assert (await page.get(path)).status_code == 404


async def test_session_holds_token_channel_and_line(page: httpx2.AsyncClient) -> None:
    """A session is a token for the name, the channel, and the line for the terminal exactly as given."""
    answer = await page.get("/demo/session", params={"name": " Quiet Heron "})
    assert answer.json() == {"token": "token of Quiet Heron", "channel": "demo:lobby", "curl": CURL}


@pytest.mark.parametrize("name", ["Ö", "Ada Lovelace", "x" * 24, "名前", "<b>"])
async def test_printable_names_are_taken(page: httpx2.AsyncClient, name: str) -> None:
    """Any 1 to 24 printable characters make a name."""
    assert (await page.get("/demo/session", params={"name": name})).json()["token"] == f"token of {name}"


@pytest.mark.parametrize("name", ["", "   ", "x" * 25, "a\nb", "a\x00", "a\u202eb", "\u200b"])
async def test_other_names_are_refused(page: httpx2.AsyncClient, name: str) -> None:
    """Empty, long, and unprintable names are refused with a sentence and without a token."""
    answer = await page.get("/demo/session", params={"name": name})
    assert answer.status_code == 400
    assert answer.json() == {"error": "name must be 1 to 24 printable characters"}


async def test_session_needs_a_name(page: httpx2.AsyncClient) -> None:
    """Without a name there is no session."""
    assert (await page.get("/demo/session")).status_code == 400


async def test_routes_only_read(page: httpx2.AsyncClient) -> None:
    """Only GET and HEAD are answered."""
    assert (await page.post("/demo/session?name=Heron")).status_code == 405
    assert (await page.head("/")).status_code == 200


@pytest.mark.parametrize("name", MEDIA_TYPES)
def test_nothing_is_loaded_from_elsewhere(name: str) -> None:
    """No file names an address. The one exception is the name of the SVG namespace, which nobody fetches."""
    text = PACKAGE.joinpath(name).read_text().replace("http://www.w3.org/2000/svg", "")
    code = re.sub(r"(?m)^\s*(//|/?\*).*$|(?<=[;,({]) // .*$", "", text)  # comments may speak of addresses
    assert not re.search(r"\b(?:https?|wss?):|//|@import|url\(", code)


def test_page_has_no_inline_code() -> None:
    """Scripts and styles are files, and no element carries an event handler, as the policy demands."""
    html = PACKAGE.joinpath("index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", html)
    assert re.findall(r"<script[^>]*>(.*?)</script>", html, re.DOTALL) == [""]


@pytest.mark.parametrize("name", [name for name in MEDIA_TYPES if name.endswith(".js")])
def test_data_never_becomes_markup(name: str) -> None:
    """What others wrote reaches the page as text: nothing there parses markup or evaluates code."""
    text = PACKAGE.joinpath(name).read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|srcdoc", text)


async def test_a_name_that_was_made_to_point_here_gets_no_key(page: httpx2.AsyncClient) -> None:
    """A foreign page could otherwise read what only this machine's user is shown (DNS rebinding)."""
    answer = await page.get("http://evil.example/demo/session", params={"name": "Ada"})
    assert answer.status_code == 403
    assert "token" not in answer.text
