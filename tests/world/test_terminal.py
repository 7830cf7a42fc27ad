"""What somebody at a terminal does with a running server: paste the demo's line, make tokens, publish."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import shutil
import subprocess

import httpx2
import pytest
from tests.world.command import PATIENCE, run
from tests.world.settings import SETTINGS

from tidings.testing import Client, TidingsNode

pytestmark = [pytest.mark.world, pytest.mark.L3]

LAST_LINE = re.compile(r"^Ctrl-C stops\.$")


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl on the PATH")
@pytest.mark.parametrize("columns", ["40", "200"])
async def test_line_to_paste(columns: str) -> None:
    """At any width the demo writes one physical line that begins with curl; a shell that runs it publishes."""
    async with TidingsNode(arguments=["--demo"], environment={"COLUMNS": columns}) as server:
        line = line_to_paste(server)
        session = httpx2.get(f"{server.url}/demo/session", params={"name": "Ada"}).json()
        assert session["curl"] == line
        async with Client(server.websocket, token=session["token"], patience=PATIENCE) as ada:
            lobby = await ada.subscribe(session["channel"])
            ran = await asyncio.to_thread(
                subprocess.run, line, shell=True, capture_output=True, text=True, timeout=PATIENCE
            )
            assert json.loads(ran.stdout)["result"]["offset"] == 1
            assert (await lobby.receive(timeout=PATIENCE)).data == {"text": "Hello from a terminal"}


def test_line_to_paste_in_a_narrow_terminal() -> None:
    """In a terminal that is narrower than the line, the line is still one line."""
    with TidingsNode(arguments=["--demo"], columns=40) as server:
        *_, option, body = shlex.split(line_to_paste(server))
        assert (option, json.loads(body)["channel"]) == ("-d", "demo:lobby")


def line_to_paste(server: TidingsNode) -> str:
    """The one line with which the demo begins that begins with curl, when it has written all of its lines."""
    server.process.line(LAST_LINE, timeout=PATIENCE)
    (line,) = (line for line in server.process.lines if line.startswith("curl"))
    return line


async def test_token_and_publish() -> None:
    """A token that the terminal makes lets a client in, and what the terminal publishes reaches it."""
    async with TidingsNode(SETTINGS) as server:
        make = ("token", "--config", server.config, "--user", "ada")
        connection, subscription = run(*make, "--ttl", "1m"), run(*make, "--channel", "shut:it")
        async with Client(server.websocket, token=connection.stdout.strip(), patience=PATIENCE) as ada:
            shut = await ada.subscribe("shut:it", token=subscription.stdout.strip())
            publish = ("publish", "--config", server.config, "--url", server.url, "shut:it", '{"text": "hello"}')
            ran = await asyncio.to_thread(run, *publish)
            assert (ran.returncode, json.loads(ran.stdout)) == (0, {})
            assert (await shut.receive(timeout=PATIENCE)).data == {"text": "hello"}


@pytest.mark.parametrize(
    ("key", "channel", "sentence"),
    [("another", "plain:it", "does not accept this API key"), ("", "nowhere:it", "102 unknown channel")],
)
def test_refused_publish(server: TidingsNode, key: str, channel: str, sentence: str) -> None:
    """What the server does not take is one sentence, and exit code 1."""
    refused = run("publish", "--config", server.config, "--url", server.url, "--key", key, channel, "1")
    assert (refused.returncode, refused.stdout) == (1, "")
    (line,) = refused.stderr.splitlines()
    assert sentence in line


def test_nobody_to_publish_to() -> None:
    """A server that is not there is one sentence, and exit code 1."""
    with TidingsNode(SETTINGS) as server:
        server.kill()
        refused = run("publish", "--config", server.config, "--url", server.url, "plain:it", "1")
        assert (refused.returncode, refused.stdout) == (1, "")
        (line,) = refused.stderr.splitlines()
        assert line.startswith(f"tidings: no answer from {server.url}: ")
        assert line.endswith("Is the server running, and is this its port?")
