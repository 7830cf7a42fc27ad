"""What the broker cannot do is refused before anybody connects, by the doors that it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tidings import Tidings
from tidings.app import build, capabilities
from tidings.app.settings import Settings
from tidings.brokers.base import NO_GUARD, Accepted
from tidings.brokers.memory import MemoryBroker
from tidings.clock import ManualClock
from tidings.errors import SettingsError

pytestmark = pytest.mark.shell

KEPT = {"history_size": 10, "history_ttl": 60.0}
NATS = {"broker": {"url": "nats://user:secret@localhost"}}


class PlainBroker:
    """Anybody's own, which carries publications and does nothing else."""

    async def start(self, receiver: object) -> None: ...

    async def stop(self) -> None: ...

    async def reach(self) -> None: ...

    async def subscribe(self, channel: str) -> None: ...

    async def unsubscribe(self, channel: str) -> None: ...

    async def publish(self, channel: str, publication: object, *, guard: object = NO_GUARD) -> Accepted:
        return Accepted()

    async def publish_join(self, channel: str, info: object) -> None: ...

    async def publish_leave(self, channel: str, info: object) -> None: ...


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"channels": {"namespaces": {"chat": KEPT}}},
            "[channels.namespaces.chat] history_size needs a broker that keeps history, which nats:// does not.",
        ),
        ({"channels": KEPT}, "[channels] history_size needs a broker that keeps history, which nats:// does not."),
        (
            {"channels": {"namespaces": {"chat": {"presence": True}}}},
            "[channels.namespaces.chat] presence needs a broker that keeps presence, which nats:// does not.",
        ),
        (
            {"client": {"user_connection_limit": 5}},
            "[client] user_connection_limit needs a broker that counts the connections of users, "
            "which nats:// does not.",
        ),
    ],
)
def test_refused(settings: Mapping[str, Any], sentence: str):
    """One sentence that names the section, the option and the broker, for a server as for a library."""
    for refusing in (
        lambda: build.node(Settings.of({**settings, **NATS})),
        lambda: build.check(Settings.of({**settings, **NATS})),
        lambda: Tidings("nats://user:secret@localhost", settings=settings),
    ):
        with pytest.raises(SettingsError) as refused:
            refusing()
        assert str(refused.value) == sentence


def test_accepted():
    """What NATS does is not refused, and nothing is refused to a broker with every door."""
    plain = {"channels": {"join_leave": True, "namespaces": {"chat": {"allow_publish_for_client": True}}}}
    build.node(Settings.of({**plain, **NATS}))
    everything = {"channels": {"namespaces": {"chat": {**KEPT, "presence": True}}}, "client.user_connection_limit": 5}
    build.node(Settings.of(everything))


def test_a_namespace_that_is_defined_in_python_is_checked_as_well():
    """When it is defined; the one that was there stays."""
    hub = Tidings("nats://localhost", settings={})
    with pytest.raises(
        SettingsError, match=r"\[channels.namespaces.chat\] presence needs a broker that keeps presence"
    ):
        hub.namespace("chat", presence=True)
    with pytest.raises(SettingsError, match=r"\[channels.namespaces.chat\] history_size needs a broker that keeps"):
        hub.namespace("chat", **KEPT)
    assert not hub.node.policy.namespaces.knows("chat")
    hub.namespace("chat", join_leave=True)
    assert hub.node.policy.namespaces.knows("chat")


def test_anybodys_own_broker_is_judged_by_its_doors():
    """And not by the address in the settings."""
    settings = Settings.of({"channels": KEPT})
    capabilities.check(settings, MemoryBroker(ManualClock()))
    with pytest.raises(SettingsError, match="needs a broker that keeps history"):
        build.node(settings, carrier=PlainBroker())
