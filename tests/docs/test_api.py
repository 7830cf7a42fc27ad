"""docs/api.md: its examples work against a server, and its tables are those of the code."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.docs.pages import blocks, page, rows, section
from tests.world.backend import KEY
from tests.world.command import PATIENCE

from tidings.app.api.bodies import METHODS
from tidings.app.api.http import BODY_LIMIT_BYTES, STATUSES
from tidings.testing import TidingsNode

pytestmark = pytest.mark.world

PAGE = page("api.md")
OPEN = {"api": {"key": KEY}}


@pytest.fixture(scope="module")
def server() -> Iterator[TidingsNode]:
    """With channels as they come: they keep nothing."""
    with TidingsNode(OPEN) as server:
        yield server


def adapted(code: str, server: TidingsNode) -> str:
    """An example, for this server and its key."""
    return code.replace("http://127.0.0.1:8000", server.url).replace("…", KEY)


def test_the_line_for_a_terminal(server: TidingsNode) -> None:
    """What it prints is what the page says."""
    line, printed = blocks(PAGE, "console")[0].splitlines()
    ran = subprocess.run(
        shlex.split(adapted(line.removeprefix("$ "), server)), capture_output=True, text=True, timeout=PATIENCE
    )
    assert ran.stdout == printed


def test_the_client_library(server: TidingsNode, capsys: pytest.CaptureFixture[str]) -> None:
    """The example runs as it stands; cent raises where the server refuses."""
    (code,) = blocks(PAGE, "python")
    namespace: dict[str, object] = {}
    exec(adapted(code, server), namespace)
    namespace["client"]._session.close()  # type: ignore[attr-defined]


def test_the_batch(server: TidingsNode) -> None:
    """Each command of the example is answered in its place."""
    (body,) = [block for block in blocks(PAGE, "json") if "commands" in block]
    answer = httpx2.post(f"{server.url}/api/batch", content=body, headers={"X-API-Key": KEY}).json()
    assert answer == {"replies": [{"publish": {}}, {"broadcast": {"responses": [{"result": {}}, {"result": {}}]}}]}


@pytest.mark.parametrize("headers", [{"Authorization": f"apikey {KEY}"}, {"X-API-Key": KEY}])
def test_the_key(server: TidingsNode, headers: dict[str, str]) -> None:
    assert httpx2.post(f"{server.url}/api/info", content="{}", headers=headers).status_code == 200
    assert httpx2.post(f"{server.url}/api/info", params={"api_key": KEY}, content="{}").status_code == 200
    assert httpx2.post(f"{server.url}/api/info", content="{}").status_code == 401


def test_the_answers_are_written_as_they_come(server: TidingsNode) -> None:
    """The error of the example, to the letter."""
    _, refused = next(block for block in blocks(PAGE, "json") if "error" in block).splitlines()
    body = json.dumps({"channel": "nowhere:it", "data": 1})
    answer = httpx2.post(f"{server.url}/api/publish", content=body, headers={"X-API-Key": KEY})
    assert answer.json() == json.loads(refused)


def test_every_method_is_there() -> None:
    assert {cells[0].strip("`") for cells in rows(section(PAGE, "Methods"))} == {*METHODS, "batch"}


def test_every_code_has_its_status() -> None:
    documented = {int(code): int(status) for code, _, status in rows(section(PAGE, "Answers"))}
    assert documented.items() <= STATUSES.items()


def test_numbers_are_those_of_the_code() -> None:
    assert BODY_LIMIT_BYTES == 8 * 2**20 and "a body above 8 MiB 413" in PAGE


def test_the_readme_publishes_in_the_same_way() -> None:
    """The line of the README is the one that the demo prints, its key aside."""
    (line,) = [line for line in page("README.md").splitlines() if "curl" in line and line.startswith("$")]
    assert shlex.split(line)[2:4] == ["-X", "POST"]
    assert json.loads(shlex.split(line)[-1])["channel"] == "demo:lobby"
    assert Path(shlex.split(line)[4]).name == "publish"
