"""What somebody at a terminal does with a running server: paste the demo's line, make tokens, publish."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import shutil
import subprocess
import termios
from pathlib import Path

import httpx2
import pytest
from tests.world.server import PATIENCE, Server, environment, run, serve, written
from tests.world.settings import SETTINGS
from tests.world.visitor import Visitor

pytestmark = pytest.mark.world

LAST_LINE = "Ctrl-C stops."


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return written(SETTINGS, tmp_path)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl on the PATH")
@pytest.mark.parametrize("columns", ["40", "200"])
def test_line_to_paste(columns: str) -> None:
    """At any width the demo writes one physical line that begins with curl; a shell that runs it publishes."""
    with Server(serve("--demo"), variables={"COLUMNS": columns}) as server, Visitor(server.websocket) as ada:
        server.line(re.compile(re.escape(LAST_LINE)))
        (line,) = (line for line in server.lines if line.startswith("curl"))
        session = httpx2.get(f"{server.url}/demo/session", params={"name": "Ada"}).json()
        assert session["curl"] == line
        ada.ask(connect={"token": session["token"]})
        ada.ask(subscribe={"channel": session["channel"]})
        ran = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=PATIENCE)
        assert json.loads(ran.stdout)["result"]["offset"] == 1
        assert ada.publication()["data"] == {"text": "Hello from a terminal"}


def test_line_to_paste_in_a_narrow_terminal() -> None:
    """In a terminal that is narrower than the line, the line is still one line."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 40))
    with subprocess.Popen(serve("--demo"), env=environment(), stdout=theirs, start_new_session=True) as process:
        os.close(theirs)
        with open(ours) as terminal:
            lines = list(iter(terminal.readline, f"{LAST_LINE}\n"))
            process.terminate()
            process.wait(PATIENCE)
    (line,) = (line for line in lines if line.startswith("curl"))
    *_, option, body = shlex.split(line)
    assert (option, json.loads(body)["channel"]) == ("-d", "demo:lobby")


def test_token_and_publish(config: Path) -> None:
    """A token that the terminal makes lets a client in, and what the terminal publishes reaches it."""
    make = ("token", "--config", config, "--user", "ada")
    connection, subscription = run(*make, "--ttl", "1m"), run(*make, "--channel", "shut:it")
    with Server(serve("--config", config)) as server, Visitor(server.websocket) as ada:
        assert "connect" in ada.ask(connect={"token": connection.stdout.strip()})
        assert "subscribe" in ada.ask(subscribe={"channel": "shut:it", "token": subscription.stdout.strip()})
        ran = run("publish", "--config", config, "--url", server.url, "shut:it", '{"text": "hello"}')
        assert (ran.returncode, json.loads(ran.stdout)) == (0, {})
        assert ada.publication()["data"] == {"text": "hello"}


@pytest.mark.parametrize(
    ("key", "channel", "sentence"),
    [("another", "plain:it", "does not accept this API key"), ("", "nowhere:it", "102 unknown channel")],
)
def test_refused_publish(server: Server, config: Path, key: str, channel: str, sentence: str) -> None:
    """What the server does not take is one sentence, and exit code 1."""
    refused = run("publish", "--config", config, "--url", server.url, "--key", key, channel, "1")
    assert (refused.returncode, refused.stdout) == (1, "")
    (line,) = refused.stderr.splitlines()
    assert sentence in line


def test_nobody_to_publish_to(config: Path) -> None:
    """A server that is not there is one sentence, and exit code 1."""
    with Server(serve("--config", config)) as server:
        gone = server.url
    refused = run("publish", "--config", config, "--url", gone, "plain:it", "1")
    assert (refused.returncode, refused.stdout) == (1, "")
    (line,) = refused.stderr.splitlines()
    assert line.startswith(f"tidings: no answer from {gone}: ")
