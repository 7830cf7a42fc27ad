"""What every backend has promised, as tests: one public suite per port of `tidings.brokers.base`.

A backend proves itself by subclassing the suites of the ports that it has, and giving them one fixture:

    import pytest
    from tidings.testing.contracts import Backend, BrokerContract, HistoryContract, PresenceContract

    class TestMyBroker(BrokerContract, HistoryContract, PresenceContract):
        unit = 0.2  # this backend really waits, so let the tests' time be short

        @pytest.fixture
        def backend(self, my_server):
            return Backend(connect=lambda: MyBroker(my_server.url))

It takes pytest and pytest-asyncio, in strict or in auto mode. Each test has two nodes on the same backend and channels
of its own, so a server may be shared by all tests.
"""

from __future__ import annotations

import pytest

# Asserts explain themselves only in modules that pytest has rewritten, which it does when they are first imported.
pytest.register_assert_rewrite(
    *(f"{__name__}.{each}" for each in ("broker", "repetition", "history", "presence", "nodes", "people"))
)

from tidings.testing.contracts.backend import Backend, Contract, Node  # noqa: E402
from tidings.testing.contracts.broker import BrokerContract  # noqa: E402
from tidings.testing.contracts.history import HistoryContract  # noqa: E402
from tidings.testing.contracts.nodes import NodesContract  # noqa: E402
from tidings.testing.contracts.people import ConnectionsContract, SubscriptionsContract  # noqa: E402
from tidings.testing.contracts.presence import PresenceContract  # noqa: E402
from tidings.testing.contracts.repetition import KeptRepetitionContract, RepetitionContract  # noqa: E402


class FullContract(
    BrokerContract,
    RepetitionContract,
    HistoryContract,
    KeptRepetitionContract,
    PresenceContract,
    NodesContract,
    ConnectionsContract,
    SubscriptionsContract,
):
    """Every promise there is."""


__all__ = [
    "Backend",
    "BrokerContract",
    "ConnectionsContract",
    "Contract",
    "FullContract",
    "HistoryContract",
    "KeptRepetitionContract",
    "Node",
    "NodesContract",
    "PresenceContract",
    "RepetitionContract",
    "SubscriptionsContract",
]
