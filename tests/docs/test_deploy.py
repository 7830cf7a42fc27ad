"""docs/deploy.md: its numbers are those of the code and of the files, and each file is named."""

from __future__ import annotations

import re
import tomllib

import pytest
from tests.docs.pages import ROOT, page, rows, section

from tidings.app import lifecycle
from tidings.app.settings import Settings

pytestmark = pytest.mark.core

PAGE = page("deploy.md")
TEXT = " ".join(PAGE.split())
DEPLOY = ROOT / "deploy"
FOLDERS = ("systemd", "kubernetes", "proxies")


def test_every_file_is_named() -> None:
    linked = set(re.findall(r"\]\(\.\./deploy/([\w./]+)\)", PAGE))
    files = {str(file.relative_to(DEPLOY)) for folder in FOLDERS for file in (DEPLOY / folder).iterdir()}
    assert files | {"Dockerfile"} == linked - {"kubernetes"}


def test_commands_of_the_page_are_those_of_the_files() -> None:
    """Whoever follows the page has what the unit expects, and builds the image as its file says."""
    unit = (DEPLOY / "systemd" / "tidings.service").read_text()
    assert "useradd --system" in PAGE and "User=tidings\n" in unit
    assert "venv /opt/tidings\n" in PAGE and "ExecStart=/opt/tidings/bin/tidings " in unit
    assert "config init /etc/tidings/tidings.toml\n" in PAGE and "--config /etc/tidings/tidings.toml\n" in unit
    assert "EnvironmentFile=-/etc/tidings/secrets.env\n" in unit
    head = (DEPLOY / "Dockerfile").read_text()
    for command in re.findall(r"^\$ (docker .+)$", PAGE, re.MULTILINE):
        assert f"#   {command}\n" in head
    (installed,) = re.findall(r"pip install --constraint constraints\.txt '(.+)'", PAGE)
    assert f"'{installed}'" in head


def test_extras_are_there() -> None:
    (extras,) = re.findall(r"'\.\[(.+)\]'", PAGE)
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras.split(",")) <= known.keys()


def test_numbers_are_those_of_the_code() -> None:
    client = Settings().client
    assert f"{client.ping_interval + client.pong_timeout:.0f} seconds; the files say 75" in TEXT
    sizes = {cells[0]: cells[1] for cells in rows(section(PAGE, "Sizing"))}
    assert sizes["connections that wait to be accepted"].startswith(f"{lifecycle.BACKLOG} ")
    assert Settings().server.trusted_proxies == ("127.0.0.1",)


def test_numbers_are_those_of_the_files() -> None:
    pod = (DEPLOY / "kubernetes" / "deployment.yaml").read_text()
    assert "SIGTERM and 40 seconds: `drain_timeout` is 20 here" in TEXT
    assert "terminationGracePeriodSeconds: 40\n" in pod
    assert "drain_timeout = 20.0\n" in (DEPLOY / "kubernetes" / "configmap.yaml").read_text()
    unit = (DEPLOY / "systemd" / "tidings.service").read_text()
    assert "waits 30 seconds" in TEXT and "TimeoutStopSec=30\n" in unit
    assert "allows 65,536 files" in TEXT and "LimitNOFILE=65536\n" in unit
