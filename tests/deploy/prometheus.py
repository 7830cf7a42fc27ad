"""Debian's Prometheus, which scrapes one node, and its tool."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tidings.testing import TidingsNode
from tidings.testing.services.base import HOST, Service

ROOT = Path(__file__).parents[2]
TIMEOUT = 30.0


def program(name: str) -> str:
    """Where a program is; without it the test is skipped."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed: apt-get install prometheus")
    return path


def promtool(*arguments: str, folder: Path) -> str:
    """What it says; a test fails where it is not content."""
    command = [program("promtool"), *arguments]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


class Prometheus(Service):
    """Scrapes a node twice a second, with the rules of a file."""

    name = "prometheus"

    def __init__(self, node: TidingsNode, rules: Path) -> None:
        super().__init__()
        self._node = node
        self._rules = rules
        self._program = program("prometheus")

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def prepare(self) -> None:
        config = {
            "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "1s"},
            "rule_files": [str(self._rules)],
            "scrape_configs": [{"job_name": "tidings", "static_configs": [{"targets": [f"{HOST}:{self._node.port}"]}]}],
        }
        (self.directory / "prometheus.yml").write_text(json.dumps(config))  # YAML is what JSON is

    def command(self) -> list[str]:
        return [
            self._program,
            f"--config.file={self.directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address={HOST}:{self.port}",
        ]

    def is_ready(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/-/ready", timeout=1.0).is_success
        except httpx2.HTTPError:
            return False

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What an expression is now. Fails where it cannot be evaluated."""
        answer = httpx2.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=TIMEOUT).json()
        assert answer["status"] == "success", f"{expression}: {answer.get('error')}"
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def rules(self) -> list[dict[str, Any]]:
        """The alerts as it has read and evaluated them."""
        groups = httpx2.get(f"{self.url}/api/v1/rules", timeout=TIMEOUT).json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]
