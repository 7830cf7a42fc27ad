"""SIGHUP: settings are read anew, by one process or by several, and by workers that come later."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.world.backend import token
from tests.world.command import PATIENCE, command, written
from tests.world.settings import KEY, SECRET, SETTINGS
from tests.world.test_workers import all_up, workers

from tidings.testing import Client, RedisServer, TidingsNode
from tidings.testing.clients import ConversationError
from tidings.testing.services.node import environment, toml

pytestmark = [pytest.mark.world, pytest.mark.L3]

SECOND = "the second secret of all, 32 characters"


def write(node: TidingsNode, settings: dict[str, Any]) -> None:
    fresh = node.config.with_suffix(".new")
    fresh.write_text("".join(toml(settings)))
    os.replace(fresh, node.config)


async def lets_in(node: TidingsNode, secret: str) -> bool:
    try:
        async with Client(node.websocket, token=token("ada", secret=secret), patience=PATIENCE):
            return True
    except ConversationError as error:
        assert error.closing is not None and error.closing.code == 3500
        return False


async def answers(node: TidingsNode, key: str) -> int:
    async with httpx2.AsyncClient() as http:
        return (await http.post(f"{node.url}/api/info", json={}, headers={"X-API-Key": key})).status_code


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await is_so():
            await asyncio.sleep(0.02)


async def test_one_process() -> None:
    """Keys count at once, what cannot is named (flags still win over the file), and what is wrong changes nothing."""
    async with TidingsNode(SETTINGS) as node, Client(node.websocket, token=token("ada"), patience=PATIENCE) as ada:
        write(
            node,
            {
                **SETTINGS,
                "auth": {"hmac_secret": SECOND},
                "api": {"key": "another key"},
                "server": {"port": 1, "drain_timeout": 3.0},
                "log": {"level": "debug"},
            },
        )
        node.process.signal(signal.SIGHUP)
        await asyncio.to_thread(
            node.process.line, r"settings reloaded.*\[auth\] hmac_secret, \[api\] key, \[log\] level"
        )
        await asyncio.to_thread(node.process.line, r"needs a restart: \[server\] drain_timeout\"")
        assert (await lets_in(node, SECOND), await lets_in(node, SECRET)) == (True, False)
        assert (await answers(node, "another key"), await answers(node, KEY)) == (200, 401)
        await asyncio.to_thread(node.process.line, '"debug".*connection opened')
        write(node, {"auth": {"hmac_secrt": SECRET}})
        node.process.signal(signal.SIGHUP)
        await asyncio.to_thread(node.process.line, "settings not reloaded.*did you mean .*hmac_secret")
        assert await lets_in(node, SECOND)
        assert ada.is_open and not any(secret in line for line in node.process.lines for secret in (SECRET, SECOND))


def test_a_terminal_that_is_closed(tmp_path: Path) -> None:
    """Ends the server, as it ends every program: then SIGHUP means what it is named after."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(
            sys.executable, command("serve", "--config", written(SETTINGS, tmp_path), "--port", "0"), environment()
        )
    said = b""
    while b"is listening" not in said:
        said += os.read(terminal, 4096)
    os.close(terminal)
    deadline = time.monotonic() + PATIENCE
    while (ended := os.waitpid(pid, os.WNOHANG))[0] == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    if not ended[0]:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert ended[0] == pid and os.waitstatus_to_exitcode(ended[1]) >= 0, said


async def test_all_workers_and_those_that_come_later(redis: RedisServer) -> None:
    """A withdrawn key stays withdrawn when a worker is replaced, even if the file has become unreadable since."""
    settings = {**SETTINGS, "broker": {"url": redis.url}, "server": {"workers": 2, "drain_timeout": 1.0}}
    async with TidingsNode(settings) as node:
        await all_up(node)
        write(node, {**settings, "auth": {"hmac_secret": SECOND}})
        node.process.signal(signal.SIGHUP)

        async def both_have_read() -> bool:
            return sum("settings reloaded" in line for line in node.process.lines) >= 2

        await until(both_have_read)
        for _ in range(8):
            assert (await lets_in(node, SECOND), await lets_in(node, SECRET)) == (True, False)
        write(node, {"nonsense": {"a": 1}})
        for pid in workers(node):
            os.kill(pid, signal.SIGKILL)

        async def others_are_up() -> bool:
            return sum('"started"' in line for line in node.process.lines) >= 4

        await until(others_are_up)
        for _ in range(8):
            assert (await lets_in(node, SECOND), await lets_in(node, SECRET)) == (True, False)
