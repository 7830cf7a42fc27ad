"""What the pages say is so: every option of the documents has a counterpart, and the CI files are as described."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
import yaml
from tests.docs.pages import ROOT, page, rows, section

from tidings.cli import test as command

pytestmark = pytest.mark.core

CI = ROOT / "examples" / "ci"

# As they stand in the documents, one line for each place.
DOCUMENTS = """
unified_test_runner.py --level --real-redis --markers
test_runner.py --all --smoke --category --performance --verbose --fail-fast --test-dir --help
test_runner.py --level --no-coverage --fast-fail
run_concurrent_test.py --verbose --dry-run
"""


def loaded(name: str) -> Any:
    return yaml.safe_load((CI / name).read_text())


def offered() -> set[str]:
    """The options of the command itself."""
    app = typer.Typer(add_completion=False)
    app.command()(command.test)
    parameters = typer.main.get_command(app).params
    return {name for parameter in parameters for name in (*parameter.opts, *parameter.secondary_opts)}


def test_every_option_of_the_documents_has_its_counterpart():
    """In the table, and on the command line."""
    table = rows(section(page("testing/runner.md"), "For those who come from other runners"))
    for line in DOCUMENTS.strip().splitlines():
        runner, *options = line.split()
        for option in options:
            named = [there for there, _ in table if f"`{runner} " in there and option in there]
            assert named, f"{runner} {option}"
    for _, here in table:
        used = set(re.findall(r"--[a-z-]+", here.partition("`;")[0].partition("`:")[0]))
        assert used <= offered() | {"--help"}, here
    assert any("make test-integration-real" in there for there, _ in table)


def test_every_option_is_on_the_page():
    """None is missing, and none is invented."""
    table = rows(page("testing/runner.md"))
    told = {name for cell, _ in table for name in re.findall(r"(?<![\w-])--?[a-z-]+", cell)} - {"--"}
    assert told == offered() - {"--fast-fail", "arguments"}


@pytest.mark.parametrize("name", ["compose.yaml", "github-actions.yml", "gitlab-ci.yml"])
def test_the_files_are_yaml(name: str):
    """A parser that refuses what is not reads them."""
    assert isinstance(loaded(name), dict)


def test_the_composition_is_as_the_page_describes_it():
    """Services, images, ports and health checks."""
    services = loaded("compose.yaml")["services"]
    table = {cells[0].strip("`"): cells[1:] for cells in rows(section(page("testing/runner.md"), "In CI"))}
    assert table.keys() == services.keys()
    for name in ("db-test", "redis-test"):
        assert services[name]["image"] in table[name][0]
        assert services[name]["tmpfs"]
        assert table[name][2].strip("`") in " ".join(services[name]["healthcheck"]["test"])
    assert services["redis-test"]["command"][1:] == ["--save", "", "--appendonly", "no"]
    assert services["server"]["ports"] == ["8001:8000"]
    assert "8000" in services["server"]["healthcheck"]["test"][-1]


def test_the_composition_waits_for_health_and_names_what_is_there():
    """Who depends on whom, and the addresses that the client is told."""
    services = loaded("compose.yaml")["services"]
    assert set(services["server"]["depends_on"]) == {"db-test", "redis-test"}
    assert set(services["test-client"]["depends_on"]) == {"db-test", "redis-test", "server"}
    waits = [each for service in services.values() for each in service.get("depends_on", {}).values()]
    assert all(each == {"condition": "service_healthy"} for each in waits)
    assert all(services[name]["healthcheck"]["retries"] == 20 for name in ("db-test", "redis-test", "server"))
    told = services["test-client"]["environment"]
    assert (told["SERVER_URL"], told["REDIS_URL"]) == ("ws://server:8000", "redis://redis-test:6379/0")
    assert told["JWT_SECRET_KEY"] == services["server"]["environment"]["TIDINGS_AUTH__HMAC_SECRET"]
    assert told["POSTGRES_HOST"] == "db-test"
    assert told["POSTGRES_USER"] == services["db-test"]["environment"]["POSTGRES_USER"]
    assert set(re.findall(r"--[a-z-]+", " ".join(services["test-client"]["command"]))) <= offered()


def test_both_pipelines_run_the_composition_and_take_it_down():
    """With the exit code of the tests, and whatever that is."""
    up, down = re.findall(r"docker compose .*", section(page("testing/runner.md"), "In CI"))
    github, gitlab = loaded("github-actions.yml"), loaded("gitlab-ci.yml")
    steps = github["jobs"]["real-server"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [up, down]
    assert [step.get("if") for step in steps if step.get("run") == down] == ["always()"]
    assert (gitlab["real-server"]["script"], gitlab["real-server"]["after_script"]) == ([up], [down])


@pytest.mark.parametrize("name", ["compose.yaml", "github-actions.yml", "gitlab-ci.yml"])
def test_the_files_say_what_another_project_changes(name: str):
    """Each place, and nothing is installed twice that the toolkit brings."""
    text = (CI / name).read_text()
    assert text.count("CHANGE") >= 3
    commands = [line for line in text.splitlines() if "pip install" in line and not line.startswith("#")]
    assert commands and all("[testing]" in line for line in commands)
    assert not any(package in line for line in commands for package in ("pytest-timeout", " redis"))


def texts(value: Any) -> Iterator[str]:
    """Every text in a file, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts(each)


@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml"])
def test_the_pipelines_use_options_that_there_are(name: str):
    """Of `tidings test`."""
    calls = [text for text in texts(loaded(name)) if text.startswith("tidings test")]
    assert len(calls) == 2
    assert {option for call in calls for option in re.findall(r"(?<=\s)--[a-z-]+", call)} <= offered()
