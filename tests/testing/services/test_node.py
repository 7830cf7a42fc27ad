"""TidingsNode and AsgiApp: servers in processes of their own, with the settings of a test."""

from __future__ import annotations

import json
import signal
import tomllib
from collections.abc import MutableMapping
from pathlib import Path

import httpx2
import pytest

from tidings.testing.clients import Client
from tidings.testing.services import AsgiApp, ServiceError, TidingsNode
from tidings.testing.services.node import toml

pytestmark = [pytest.mark.world, pytest.mark.L3]

APPLICATION = """
import asyncio, os

async def app(scope, receive, send):
    if scope["type"] == "http":
        status = 503 if scope["path"] == "/ill" else 200
        await send({"type": "http.response.start", "status": status, "headers": []})
        if scope["path"] == "/poll":
            await send({"type": "http.response.body", "body": b"wait", "more_body": True})
            await asyncio.Event().wait()
        await send({"type": "http.response.body", "body": os.environ.get("GREETING", "hello").encode()})
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "greeter.py").write_text(APPLICATION)
    return tmp_path


async def test_a_node_has_the_settings_of_the_test(environment: MutableMapping[str, str]):
    """And none of the environment's, which would win over them."""
    environment["TIDINGS_API__KEY"] = "another"
    async with TidingsNode({"api": {"key": "k"}, "client": {"insecure": True}}) as node:
        request = {"channel": "news", "data": 1}
        assert httpx2.post(f"{node.url}/api/publish", json=request, headers={"X-API-Key": "k"}).json()["result"] == {}
        assert httpx2.post(f"{node.url}/api/publish", json=request, headers={"X-API-Key": "x"}).status_code == 401
        async with Client(node.websocket, patience=20.0) as client:
            assert client.id


def test_a_node_comes_back_on_its_port():
    with TidingsNode() as node:
        url = node.url
        node.kill()
        assert not node.is_ready()
        node.restart()
        assert node.url == url
        assert httpx2.get(f"{url}/health/live").is_success


def test_a_node_says_where_its_settings_are():
    """So that a command of `tidings` beside it has the same."""
    with TidingsNode({"api": {"key": "k"}}) as node:
        assert tomllib.loads(node.config.read_text()) == {"api": {"key": "k"}}


def test_settings_can_hold_lists_of_tables():
    meanings = [{"status_code": 404, "to_error": {"code": 1404, "message": '"no"'}}, {"x": ("a", True)}]
    written = tomllib.loads("".join(toml({"proxy": {"rpc": {"meanings": meanings, "endpoint": "e"}}})))
    assert written == {
        "proxy": {"rpc": {"meanings": [meanings[0], {"x": ["a", True]}], "endpoint": "e"}},
    }


def test_a_node_can_write_to_a_terminal():
    """Where its lines are for people, and elsewhere for programs."""
    with TidingsNode(columns=200) as seen, TidingsNode() as unseen:
        assert "info" in seen.process.line("started")
        assert json.loads(unseen.process.line("started"))["level"] == "info"


def test_settings_that_are_wrong_are_told():
    """With the sentence of Tidings itself."""
    with pytest.raises(ServiceError, match=r"tidings ended with \d while it was starting(.|\n)*histroy_size"):
        TidingsNode({"channels": {"histroy_size": 1}}).start()


@pytest.mark.parametrize("server", ["uvicorn", "hypercorn", "granian", "daphne"])
def test_an_application_is_hosted(folder: Path, server: str):
    with AsgiApp("greeter:app", folder=folder, server=server, environment={"GREETING": "good day"}) as app:
        assert httpx2.get(app.url).text == "good day"
        assert app.websocket("/ws") == app.url.replace("http", "ws") + "/ws"
        app.restart()
        assert httpx2.get(app.url).text == "good day"


def test_workers_end_with_their_application(folder: Path):
    """They are not its own processes but those of its host."""
    with AsgiApp("greeter:app", folder=folder, options=["--workers", "2"]) as app:
        assert httpx2.get(app.url).text == "hello"
        app.pause()
        app.resume()
        app.restart()
        assert httpx2.get(app.url).text == "hello"
        port = app.port
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"http://127.0.0.1:{port}")


def test_ready_can_be_who_answers_with_success(folder: Path):
    with AsgiApp("greeter:app", folder=folder, ready_path="/well") as app:
        assert app.is_ready()
    ill = AsgiApp("greeter:app", folder=folder, ready_path="/ill")
    ill.patience = 1.5
    with pytest.raises(ServiceError, match=r"app was not ready within 1\.5 s"):
        ill.start()


@pytest.mark.parametrize("server", ["uvicorn", "hypercorn"])
def test_a_long_poll_holds_nobody_up(folder: Path, server: str):
    """A request that never ends is given up after `grace` seconds, and the server ends by itself."""
    with (
        AsgiApp("greeter:app", folder=folder, server=server, grace=1) as app,
        httpx2.stream("GET", f"{app.url}/poll", timeout=None) as answer,
    ):
        assert next(answer.iter_raw()) == b"wait"
        process = app.process
        process.signal(signal.SIGTERM)
        assert process.wait(10.0) in (0, -signal.SIGTERM)
