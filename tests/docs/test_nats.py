"""docs/nats.md: its program runs, its settings are good, and what it names is what the code names."""

from __future__ import annotations

import tomllib

import pytest
from tests.docs.blocks import run
from tests.docs.pages import blocks, page, rows, section

from tidings.app import build
from tidings.app.settings import Settings
from tidings.brokers.nats.subjects import Subjects
from tidings.errors import SettingsError

pytestmark = [pytest.mark.world, pytest.mark.L3]

PAGE = page("nats.md")
SUBJECTS = Subjects("tidings")


async def test_the_program_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """With a real NATS, and two hubs on it."""
    await run("nats.md")
    assert capsys.readouterr().out == (
        "[channels.namespaces.orders] history_size needs a broker that keeps history, which nats:// does not.\n"
    )


def test_the_settings_are_the_defaults() -> None:
    """But for the address."""
    (block,) = blocks(PAGE, "toml")
    given = Settings.of(tomllib.loads(block)).broker
    assert given.model_copy(update={"url": "memory://"}) == Settings().broker


@pytest.mark.parametrize("options", [{"history_size": 1, "history_ttl": 1.0}, {"presence": True}])
def test_the_refusals_are_those_of_the_code(options: dict[str, object]) -> None:
    """The sentence on the page is the one that is said."""
    with pytest.raises(SettingsError) as refused:
        build.check(Settings.of({"broker.url": "nats://h", "channels": {"namespaces": {"chat": options}}}))
    if "history_size" in options:
        assert f"tidings: {refused.value}\n" in PAGE


def test_subjects_are_those_of_the_code() -> None:
    names = [name.strip("`") for name, _ in rows(section(PAGE, "Subjects"))]
    assert names == [
        SUBJECTS.channel("CHANNEL"),
        SUBJECTS.nodes,
        SUBJECTS.all,
        SUBJECTS.node("NODE"),
        SUBJECTS.echo("CONNECTION"),
    ]
    assert SUBJECTS.channel("chat:v1.0") == "tidings.channel.chat:v1=2E0"
    assert SUBJECTS.channel("-_:#$,@/+~") == "tidings.channel.-_:#$,@/+~"
