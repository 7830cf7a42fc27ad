"""README.md: what it shows works when it is pasted."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from shutil import which

import httpx2
import pytest
from tests.docs.pages import ROOT, blocks, page

from tidings.testing import AsgiApp, Client, RedisServer

pytestmark = [pytest.mark.world, pytest.mark.L3, pytest.mark.timeout(120)]

TEXT = page("README.md")
LIBRARY, _, TEST = blocks(TEXT, "python")  # the one between is docs/publisher.md's
(SCRIPT,) = blocks(TEXT, "js")
COMMANDS = [line.removeprefix("$ ") for block in blocks(TEXT, "console") for line in block.splitlines()]
ADDRESS = "ws://localhost:8000"

# Where the system has none of its own.
WEBSOCKET = 'import WebSocket from "ws";\nglobalThis.WebSocket ??= WebSocket;\n'


def said(command: str, *, cwd: Path | None = None, **variables: str) -> str:
    """What a command of ours prints, of which the page shows the whole line."""
    words = shlex.split(command)
    own = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
    arguments = [sys.executable, "-m", "tidings.cli", *words[len(own) + 1 :]]
    return subprocess.run(
        arguments, env={**os.environ, **own, **variables}, cwd=cwd, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_it_begins_with_two_commands() -> None:
    """And says first where they are to be given."""
    assert [command for command in COMMANDS if command.startswith("make")] == ["make run", "make test"]
    assert TEXT.index("make run") < TEXT.index("git clone") < TEXT.index("make test")


async def test_the_library_works_as_pasted(tmp_path: Path) -> None:
    """With its options and its token: ada hears of her order, and somebody without a token is turned away."""
    (tmp_path / "main.py").write_text(LIBRARY)
    (serve,) = [command for command in COMMANDS if command.startswith("uvicorn")]
    (mint,) = [command for command in COMMANDS if "HMAC_SECRET" in command]
    token = said(mint, cwd=tmp_path)
    _, application, *options = serve.split()
    async with AsgiApp(application, folder=tmp_path, options=options) as app:
        url = app.websocket(re.search(r"localhost:8000(/\S+?)\"", SCRIPT)[1])  # type: ignore[index]
        async with Client(url, token=token) as client:
            orders = await client.subscribe("orders:42")
            await ship(app)
            assert (await orders.receive()).data == {"status": "shipped"}
        stranger = Client(url)
        await stranger.open()
        await stranger.send({"id": 1, "connect": {}})
        closing = await stranger.expect_closed()
        assert closing.code == int(re.search(r"with code (\d+)", TEXT)[1])  # type: ignore[index]
        if which("node") and (ROOT / "tests" / "world" / "node_modules").exists():
            assert "{ status: 'shipped' }" in await heard_in_javascript(app, token)


async def ship(app: AsgiApp) -> None:
    async with httpx2.AsyncClient(base_url=app.url, trust_env=False) as http:
        (await http.post("/ship/42")).raise_for_status()


async def heard_in_javascript(app: AsgiApp, token: str) -> str:
    """The first line that the script of the page prints."""
    script = SCRIPT.replace('"…"', f'"{token}"').replace(ADDRESS, app.websocket("").rstrip("/"))
    script += 'orders.on("subscribed", () => console.log("ready"));\n'
    node = await asyncio.create_subprocess_exec(
        *("node", "--input-type=module", "--eval", WEBSOCKET + script),
        cwd=ROOT / "tests" / "world",
        stdout=asyncio.subprocess.PIPE,
    )
    assert node.stdout is not None
    try:
        assert await asyncio.wait_for(node.stdout.readline(), 20.0) == b"ready\n"
        await ship(app)
        return (await asyncio.wait_for(node.stdout.readline(), 20.0)).decode()
    finally:
        node.kill()
        await node.communicate()


def test_the_test_works_as_pasted(tmp_path: Path) -> None:
    """Beside the application that the page links to, with its settings."""
    RedisServer.require()
    first = page("testing/first.md")
    (tmp_path / "main.py").write_text(blocks(first, "python")[0])
    (tmp_path / "pyproject.toml").write_text(blocks(first, "toml")[0])
    (tmp_path / "test_chat.py").write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 passed" in ran.stdout, ran.stdout + ran.stderr
