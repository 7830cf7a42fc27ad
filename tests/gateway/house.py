"""A node in this process with all that it is made of, over the memory broker or one that a test brings.

>>> async with House() as house:
...     ada = await house.caller("ada", "news")
...     await house.publish("news", {"text": "hi"})
"""

from __future__ import annotations

from typing import Any, Self

from tests.gateway.wire import SECRET, Caller, Wire, turn

from tidings import events
from tidings.brokers.base import Accepted, Broker
from tidings.brokers.memory import MemoryBroker
from tidings.channels.namespaces import Namespaces
from tidings.channels.options import ChannelOptions, SlowPolicy
from tidings.clock import ManualClock
from tidings.gateway.application import Application, NoApplication
from tidings.gateway.node import Limits, Node
from tidings.gateway.session import Policy, Rules
from tidings.gateway.tokens import TokenRules, Verifier
from tidings.hooks import Hooks
from tidings.model import Publication
from tidings.wire import payloads
from tidings.wire.centrifuge.codec import Codec
from tidings.wire.centrifuge.json import JSON

ANYBODY = ChannelOptions(allow_subscribe_for_client=True)
NAMESPACES = {
    "kept": ChannelOptions(history_size=1000, history_ttl=60.0, force_recovery=True, allow_subscribe_for_client=True),
    "seen": ChannelOptions(presence=True, join_leave=True, force_push_join_leave=True, allow_subscribe_for_client=True),
    "tick": ChannelOptions(slow_policy=SlowPolicy.DROP_OLDEST, allow_subscribe_for_client=True),
    "last": ChannelOptions(slow_policy=SlowPolicy.LATEST, allow_subscribe_for_client=True),
}


class House:
    """`facts` are what was announced; `kind` is the node's class. Rules are keyword arguments.

    A `broker` that takes a clock shares it with the house by `clock`.
    """

    def __init__(
        self,
        *,
        application: Application | None = None,
        broker: Broker | None = None,
        clock: ManualClock | None = None,
        limits: Limits | None = None,
        kind: type[Node] = Node,
        node: dict[str, Any] | None = None,
        **rules: Any,
    ) -> None:
        self.clock = clock or ManualClock()
        self.facts: list[events.Fact] = []
        application = application or NoApplication()
        policy = Policy(
            rules=Rules(**{"personal_channel": False, **rules}),
            namespaces=Namespaces(ANYBODY, NAMESPACES),
            verifier=Verifier(TokenRules(hmac_secret=SECRET)),
            handlers=application,
            hooks=Hooks(self.facts.append),
            version="1.0",
        )
        self.node = kind(
            broker or MemoryBroker(self.clock),
            policy,
            application,
            clock=self.clock,
            limits=limits or Limits(),
            **{"drain_timeout": 0.0, **(node or {})},
        )

    async def __aenter__(self) -> Self:
        await self.node.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.node.stop()

    async def caller(self, user: str = "ada", *channels: str, wire: Wire | None = None, codec: Codec = JSON) -> Caller:
        """A client that is connected and subscribed."""
        caller = Caller(self.node, wire, codec)
        assert "connect" in await caller.connect(user)
        for channel in channels:
            assert "subscribe" in await caller.subscribe(channel)
        return caller

    async def publish(self, channel: str, data: object) -> Accepted:
        """Publish, and let the loop write it."""
        accepted = await self.node.hub.publish(channel, Publication(payloads.encode(data)))
        await turn()
        return accepted

    def told(self, kind: type[events.Fact]) -> list[Any]:
        """The facts of one kind."""
        return [fact for fact in self.facts if isinstance(fact, kind)]
