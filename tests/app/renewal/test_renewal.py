"""A hub whose settings change while it runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.app.conftest import SETTINGS
from tests.gateway.wire import SECRET, Caller, until

from tidings import Tidings
from tidings.app.renewal.differences import Change
from tidings.app.settings import Settings
from tidings.errors import SettingsError
from tidings.events import Fact, SettingsRefused, SettingsReloaded
from tidings.gateway.tokens import mint
from tidings.hooks import Hooks
from tidings.testing.services.node import toml

pytestmark = pytest.mark.shell

SECOND = "the second secret of all, 32 characters"
PATIENCE = 10.0


def write(file: Path, settings: dict[str, Any] | None = None, **auth: object) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text("".join(toml({**SETTINGS, "auth": auth, **(settings or {})})))
    os.replace(fresh, file)


def spoil(file: Path, text: str | None) -> None:
    if text is None:
        file.unlink()
    else:
        file.write_text(text)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "tidings.toml"
    write(file, hmac_secret=SECRET)
    return file


@pytest.fixture
def facts() -> list[Fact]:
    """What was said about settings."""
    return []


@pytest.fixture
def settings(file: Path) -> Settings:
    return Settings.load(file, {})


@pytest.fixture
async def hub(settings: Settings, facts: list[Fact]) -> AsyncIterator[Tidings]:
    def hear(fact: Fact) -> None:
        if isinstance(fact, SettingsReloaded | SettingsRefused):
            facts.append(fact)

    async with Tidings(settings=settings, hooks=Hooks(hear)) as hub:
        yield hub


async def lets_in(hub: Tidings, secret: str) -> bool:
    """Whether somebody with a token that is signed so is let in."""
    caller = Caller(hub.node)
    token = mint(secret, user="ada", ttl=60, now=hub.node.clock.now())
    number = caller.begin({"connect": {"token": token}})
    await until(lambda: caller.wire.end or caller._find(number))
    return caller.wire.end is None


async def test_a_key_counts_from_then_on(hub: Tidings, file: Path, facts: list[Fact]) -> None:
    """Who is connected stays; who comes with the old key, or brings a new token of it, is refused."""
    ada = Caller(hub.node)
    await ada.connect("ada")
    write(file, hmac_secret=SECOND)
    assert await hub.reload() == Change(("[auth] hmac_secret",))
    assert facts == [SettingsReloaded(("[auth] hmac_secret",), ())]
    assert (await lets_in(hub, SECOND), await lets_in(hub, SECRET)) == (True, False)
    assert ada.wire.end is None
    old = mint(SECRET, user="ada", ttl=60, now=hub.node.clock.now())
    ada.begin({"refresh": {"token": old}})
    assert await ada.ended() == (3500, "invalid token")


async def test_a_subscription_token_of_a_key_that_is_gone(hub: Tidings, file: Path) -> None:
    write(file, hmac_secret=SECRET, subscription={"hmac_secret": SECOND})
    await hub.reload()
    ada = Caller(hub.node)
    await ada.connect("ada")
    old, new = (
        mint(secret, user="ada", ttl=60, now=hub.node.clock.now(), channel="$open:a") for secret in (SECRET, SECOND)
    )
    assert (await ada.subscribe("$open:a", token=old))["error"]["code"] == 103
    assert "subscribe" in await ada.subscribe("$open:a", token=new)


async def test_what_is_wrong_changes_nothing(hub: Tidings, file: Path, facts: list[Fact]) -> None:
    """And is said in one sentence."""
    for text in ("[auth]\nhmac_secret =", "[auth]\nhmac_secrt = 'x'", "[server]\ntls_key = 'x'"):
        spoil(file, text)
        with pytest.raises(SettingsError):
            await hub.reload()
    spoil(file, None)
    with pytest.raises(SettingsError):
        await hub.reload()
    assert [type(fact) for fact in facts] == [SettingsRefused] * 4
    assert await lets_in(hub, SECRET)


async def test_what_needs_a_restart_is_named_and_stays(hub: Tidings, file: Path) -> None:
    """Every time, until that restart."""
    write(file, {"server": {"port": 1}, "api": {"key": "new"}}, hmac_secret=SECRET)
    waiting = ("[server] port", "[server] drain_timeout")
    assert await hub.reload() == Change(("[api] key",), waiting)
    assert await hub.reload() == Change((), waiting)
    assert (hub.settings.server.port, hub.settings.api.secret) == (8000, "new")


async def test_the_program_can_give_settings(hub: Tidings) -> None:
    """They win until the file changes."""
    change = await hub.reload({**SETTINGS, "auth": {"hmac_secret": SECOND}})
    assert change.live == ("[auth] hmac_secret",)
    assert await lets_in(hub, SECOND)
    assert await hub.reload() == Change(("[auth] hmac_secret",))
    assert await lets_in(hub, SECRET)


async def test_the_file_is_watched(hub: Tidings, file: Path, facts: list[Fact]) -> None:
    write(file, hmac_secret=SECOND)
    async with asyncio.timeout(PATIENCE):
        while not facts:
            await asyncio.sleep(0.05)
    assert facts == [SettingsReloaded(("[auth] hmac_secret",), ())]
    assert await lets_in(hub, SECOND)


async def test_a_hub_that_is_called_reads_at_once(hub: Tidings, facts: list[Fact]) -> None:
    """And says that nothing has changed."""
    hub.renewal.hasten()
    await until(lambda: facts)
    assert facts == [SettingsReloaded((), ())]


async def test_what_changed_before_the_start_is_read_first(settings: Settings, file: Path) -> None:
    """A worker that is forked later does not bring a withdrawn key back."""
    hub = Tidings(settings=settings)
    write(file, hmac_secret=SECOND)
    async with hub:
        assert (await lets_in(hub, SECOND), await lets_in(hub, SECRET)) == (True, False)


async def test_a_start_that_was_cancelled(settings: Settings, file: Path, facts: list[Fact]) -> None:
    """Whoever calls next begins the watch: the first request of a hub may be given up."""
    hub = Tidings(settings=settings, hooks=Hooks(lambda fact: facts.append(fact) if "Settings" in repr(fact) else None))
    await hub.node.start()
    first = asyncio.create_task(hub.start())
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    async with hub:
        write(file, hmac_secret=SECOND)
        async with asyncio.timeout(PATIENCE):
            while not facts:
                await asyncio.sleep(0.01)
        assert facts == [SettingsReloaded(("[auth] hmac_secret",), ())]


async def test_settings_of_the_program_are_not_watched() -> None:
    async with Tidings(settings=SETTINGS) as hub:
        assert await hub.reload() == Change()
        assert hub.renewal._watching is None
