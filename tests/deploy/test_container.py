"""deploy/Dockerfile: what it says, and its steps, done here without an engine, which needs an image from elsewhere.

Tidings is installed from what the file copies, and runs where nothing can be written.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx2
import pytest
from tests.deploy.dockerfile import FILE, allowed, instructions, stages
from tests.world.command import ROOT
from tests.world.settings import SETTINGS

from tidings.testing import TidingsNode
from tidings.testing.services.block import Missing

pytestmark = [pytest.mark.world, pytest.mark.L3]

SEALED = """
while read -r _ where _; do mount -o remount,bind,ro "$where" 2> /dev/null; done < /proc/self/mounts
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""
"""Runs a command where every file system is read-only, without a single capability that could change that."""

# What Kubernetes puts into the environment for services that are called tidings and tidings-server.
SERVICE_LINKS = {
    f"{name}_{key}": value
    for name in ("TIDINGS", "TIDINGS_SERVER", "TIDINGS_API", "TIDINGS_BROKER")
    for key, value in {
        "PORT": "tcp://10.0.0.7:8000",
        "PORT_8000_TCP": "tcp://10.0.0.7:8000",
        "PORT_8000_TCP_ADDR": "10.0.0.7",
        "PORT_8000_TCP_PORT": "8000",
        "PORT_8000_TCP_PROTO": "tcp",
        "SERVICE_HOST": "10.0.0.7",
        "SERVICE_PORT": "8000",
        "SERVICE_PORT_HTTP": "8000",
    }.items()
}


# What it says.


def test_it_has_two_stages_of_the_same_base() -> None:
    """The official image, named without a registry: whose it is, is everybody's own business."""
    base = next(one for one in instructions(FILE.read_text()) if one.word == "ARG").rest
    assert re.fullmatch(r"BASE=python:3\.\d+-slim", base)
    assert [stage.base for stage in stages()] == ["${BASE} AS build", "${BASE}"]


def test_what_it_runs_is_nobody_s_and_needs_no_shell() -> None:
    """Not root, by number; the program gets the signals itself."""
    last = stages()[-1]
    user, group = map(int, last.only("USER").rest.split(":"))
    assert user > 999 and group > 999
    assert last.only("ENTRYPOINT").words == ["tidings"]
    assert last.only("CMD").words == ["serve", "--host", "0.0.0.0", "--port", "8000"]
    assert last.only("STOPSIGNAL").rest == "SIGTERM"
    assert [one.word for one in last.instructions if one.word in ("RUN", "ADD")] == []


def test_it_keeps_nothing_of_the_building() -> None:
    """No cache of pip, and neither pip nor the sources in what is run."""
    build, last = stages()
    run = build.only("RUN").rest
    assert "--no-cache-dir" in run and "pip uninstall --yes pip" in run and "--constraint constraints.txt" in run
    assert [one.rest for one in last.all("COPY")] == ["--from=build /opt/tidings /opt/tidings"]


def test_what_it_installs_is_there() -> None:
    (extras,) = re.findall(r"'\.\[(.+)\]'", stages()[0].only("RUN").rest)
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras.split(",")) <= known.keys()


def test_secrets_of_a_clone_stay_outside() -> None:
    """What is not named does not get in."""
    assert not any(allowed(name) for name in ("tidings.toml", ".git/config", ".env", "tests/x.py", "src/__pycache__/x"))
    assert allowed("src/tidings/__init__.py")


# Its steps.


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tidings, installed from what the first stage copies and nothing else. The libraries are those of the tests."""
    context, target = tmp_path_factory.mktemp("context"), tmp_path_factory.mktemp("installed")
    for copy in stages()[0].all("COPY"):
        for name in copy.rest.split()[:-1]:
            assert allowed(name), f"{name} is copied, and deploy/Dockerfile.dockerignore does not let it in"
            put = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            put(ROOT / name, context / name)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*install, "--target", target, context], check=True, timeout=50, env={**os.environ, "HOME": "/"})
    return target


@pytest.fixture(scope="module")
def wrapped() -> list[str]:
    """The command that seals another one in."""
    if shutil.which("unshare") is None or shutil.which("setpriv") is None:
        raise Missing("unshare is not installed: apt-get install util-linux.")
    namespaces = ["--mount"] if os.getuid() == 0 else ["--user", "--map-root-user", "--mount"]
    command = ["unshare", *namespaces, "sh", "-c", SEALED, "sh"]
    if subprocess.run([*command, "true"], capture_output=True, timeout=10).returncode:
        raise Missing("unshare is not allowed to this user: run the tests as root, or allow user namespaces.")
    return command


class Sealed(TidingsNode):
    """The command of the Dockerfile, on a port of its own, where nothing can be written."""

    def __init__(self, wrapped: list[str], installed: Path) -> None:
        super().__init__(SETTINGS)
        self._wrapped, self._installed = wrapped, installed

    def command(self) -> list[str]:
        words = [str(self.port) if word == "8000" else word for word in stages()[-1].only("CMD").words]
        return [*self._wrapped, sys.executable, "-m", "tidings.cli", *words]

    def environment(self) -> Mapping[str, str]:
        return {**super().environment(), **SERVICE_LINKS, "PYTHONPATH": str(self._installed)}


@pytest.fixture
def sealed(wrapped: list[str], installed: Path) -> Iterator[Sealed]:
    with Sealed(wrapped, installed) as node:
        yield node


def test_nothing_can_be_written_there(wrapped: list[str], tmp_path: Path) -> None:
    """So that the next test shows something."""
    for place in (tmp_path, Path("/tmp"), Path("/")):
        tried = subprocess.run([*wrapped, "touch", place / "x"], capture_output=True, text=True, timeout=10)
        assert "Read-only file system" in tried.stderr


def test_it_serves_and_stops_in_order(sealed: Sealed) -> None:
    """With its settings where they are looked for, and with the variables that Kubernetes adds for services."""
    assert httpx2.get(f"{sealed.url}/health").json()["status"] == "ok"
    answer = httpx2.post(f"{sealed.url}/api/info", json={}, headers={"X-API-Key": SETTINGS["api"]["key"]})
    assert answer.status_code == 200
    sealed.process.signal(getattr(signal, stages()[-1].only("STOPSIGNAL").rest))
    assert sealed.process.wait(20.0) == 0
    assert "Traceback" not in sealed.log


def test_its_health_check(sealed: Sealed) -> None:
    """Says 0 while it is well, and something else when it is not."""
    python, *rest = stages()[-1].only("HEALTHCHECK").words
    assert python == "python"
    check = [sys.executable, *(word.replace("8000", str(sealed.port)) for word in rest)]
    assert subprocess.run(check, capture_output=True, timeout=20).returncode == 0
    sealed.kill()
    assert subprocess.run(check, capture_output=True, timeout=20).returncode != 0


def test_the_settings_are_mounted_where_they_are_looked_for() -> None:
    """By the command at the head of the file: into the working directory."""
    mount = re.search(r"-v \./tidings\.toml:(\S+)/tidings\.toml:ro", FILE.read_text())
    assert mount is not None
    assert stages()[-1].only("WORKDIR").rest == mount[1]
