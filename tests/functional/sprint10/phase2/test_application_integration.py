"""The market-data application as a whole: how its server starts and stops, and that its parts hang together loosely.

The test cases of the requirement, by its names; see docs/scenarios.md.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.functional.sprint10.phase2.conftest import PATIENCE, Visit, heard, said
from tests.functional.sprint10.phase2.simulator import TickStockPLSimulator
from tests.world.command import ROOT

from tidings.testing import TidingsNode
from tidings.testing.clients import Closing
from tidings.testing.services import ServiceError

pytestmark = [pytest.mark.world, pytest.mark.L3]


class TestApplicationIntegration:
    @pytest.mark.smoke
    async def test_successful_service_initialization_sequence(
        self, node: TidingsNode, visit: Visit, simulator: TickStockPLSimulator
    ) -> None:
        """The server is well, says where it listens, takes events, and delivers them."""
        assert httpx2.get(f"{node.url}/health").status_code == 200
        assert node.url in node.process.line("listening")
        events = simulator.health(3)
        async with visit("ada") as ada:
            subscription = await ada.subscribe("health:all")
            await simulator.publish(events)
            assert await heard(subscription, 3) == said(events, "health:all")

    async def test_configuration_validation(self, settings: dict[str, Any]) -> None:
        """A setting that nobody knows stops the server with its name, and leaves nothing behind."""
        node = TidingsNode({**settings, "api": {"kye": "k"}})
        with pytest.raises(ServiceError, match=r"ended with 1 while it was starting(.|\n)*kye"):
            node.start()
        assert not node.is_running

    async def test_graceful_service_shutdown_sequence(self, node: TidingsNode, visit: Visit) -> None:
        """Users are told that they may come back, and the server ends in order."""
        async with visit("ada") as ada, visit("bob") as bob:
            node.process.signal(signal.SIGTERM)
            assert await ada.expect_closed() == await bob.expect_closed() == Closing(3001, "shutdown")
            assert await asyncio.to_thread(node.process.wait, PATIENCE) == 0
        lines = "\n".join(node.process.lines)
        assert lines.index('"stopping"') < lines.index('"stopped"')
        assert "Traceback" not in lines

    async def test_service_restart_capability(
        self, node: TidingsNode, visit: Visit, simulator: TickStockPLSimulator
    ) -> None:
        """A killed server comes back at its address; users return, and are told that what was kept is gone."""
        events = simulator.health(4)
        async with visit("ada") as ada:
            subscription = await ada.subscribe("health:all")
            await simulator.publish(events[:2])
            assert await heard(subscription, 2) == said(events[:2], "health:all")
            node.kill()
            await ada.expect_closed()
            await asyncio.to_thread(node.restart)
            await ada.reconnect()
            assert not subscription.recovered
            await simulator.publish(events[2:])
            assert await heard(subscription, 2) == said(events[2:], "health:all")

    def test_loose_coupling_validation(self) -> None:
        """Parts know only what is below them on the ladder, and their neighbours not at all."""
        linter = Path(sys.executable).with_name("lint-imports")
        ran = subprocess.run(
            [linter, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
