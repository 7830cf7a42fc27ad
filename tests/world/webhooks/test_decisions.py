"""What endpoints decide: the requests they get, and what becomes of their answers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.world.webhooks.office import ASKED, Receiver, known, settings, until

from tidings.testing import Client, TidingsNode
from tidings.testing.clients import ConversationError, ReplyError
from tidings.wire.centrifuge.messages import ConnectRequest, SubscribeRequest

pytestmark = [pytest.mark.world, pytest.mark.L3]

SECRET = "what the receiver knows, too"
HEADERS = ["Cookie", "X-Real-IP", "X-Room", "Authorization"]


@pytest.fixture(scope="module")
def node(office: Receiver) -> Iterator[TidingsNode]:
    more = {
        "connect": {"http_headers": HEADERS, "secret": SECRET},
        "subscribe": {"http_headers": HEADERS, "emulated_headers": False},
        "publish": {"http_headers": HEADERS},
    }
    with TidingsNode(settings(office, *ASKED, **more)) as node:
        yield node


@pytest.fixture
def websocket(node: TidingsNode) -> str:
    return node.websocket


async def refused(client: Client, **command: Any) -> ReplyError:
    with pytest.raises(ReplyError) as caught:
        await client.ask(**command)
    return caught.value


async def ended(url: str, **options: Any) -> tuple[int, str]:
    client = Client(url, **options)
    with pytest.raises(ConversationError) as caught:
        await client.connect()
    assert caught.value.closing is not None
    return caught.value.closing.code, caught.value.closing.reason


# connect


async def test_connect(receiver: Receiver, websocket: str) -> None:
    receiver.answers(
        "connect",
        {
            "result": {
                "user": "42",
                "info": {"name": "Ada"},
                "data": {"motd": "hi"},
                "channels": ["free:a"],
                "subs": {"free:b": {"b64data": base64.b64encode(b'"b"').decode(), "info": 1}},
                "meta": {"plan": "gold"},
                "some_field_of_tomorrow": [],
            }
        },
    )
    subs = {"free:a": SubscribeRequest()}
    async with Client(websocket, data={"room": 12}, name="test", subs=subs) as client:
        assert client.data == {"motd": "hi"}
        assert set(client.subscriptions) == {"#42", "free:a", "free:b"}
        assert client.connected.expires is False
        (body,) = receiver.bodies("connect")
        assert body == {
            "client": client.id,
            "transport": "websocket",
            "protocol": "json",
            "encoding": "json",
            "name": "test",
            "channels": ["free:a"],
            "data": {"room": 12},
        }
        receiver.answers("rpc", {"result": {"data": 1}})
        await client.rpc("whatever")
        assert receiver.bodies("rpc") == [
            {
                "client": client.id,
                "transport": "websocket",
                "protocol": "json",
                "encoding": "json",
                "user": "42",
                "meta": {"plan": "gold"},
                "method": "whatever",
            }
        ]


async def test_a_token_wins(receiver: Receiver, websocket: str) -> None:
    """Who brings one is known by it, and the endpoint is not asked."""
    async with known(websocket, "bob"):
        assert receiver.calls("connect") == []


async def test_connect_is_refused(receiver: Receiver, websocket: str) -> None:
    receiver.answers("connect", {"error": {"code": 1234, "message": "no such luck", "temporary": True}})
    with pytest.raises(ReplyError) as caught:
        await Client(websocket).connect()
    assert (caught.value.code, caught.value.message, caught.value.temporary) == (1234, "no such luck", True)
    receiver.answers("connect", {"disconnect": {"code": 4567, "reason": "go away"}})
    assert await ended(websocket) == (4567, "go away")


async def test_headers(receiver: Receiver, websocket: str) -> None:
    """Only what is listed; of the request before the command; the address is ours to say."""
    receiver.answers("connect", {"result": {"user": "42"}})
    headers = {"Cookie": "session=1", "X-Real-IP": "6.6.6.6", "X-Other": "no", "User-Agent": "browser"}
    client = Client(websocket, headers=headers)
    await client.open()
    written = {
        "cookie": "session=2",
        "X-ROOM": "12",
        "x-real-ip": "7.7.7.7",
        "x-other": "no",
        "host": "evil",
        "authorization": "x\r\nX-Other: smuggled",
    }
    await client.ask(connect=ConnectRequest(headers=written))
    (call,) = receiver.calls("connect")
    sent = call["headers"]
    assert {name: sent.get(name) for name in ("cookie", "x-real-ip", "x-room", "x-other", "authorization")} == {
        "cookie": "session=1",
        "x-real-ip": "127.0.0.1",
        "x-room": "12",
        "x-other": None,
        "authorization": None,
    }
    assert sent["host"] == f"127.0.0.1:{receiver.port}"
    assert sent["content-type"] == "application/json"
    assert sent["user-agent"].startswith("tidings/")
    # Later commands carry them as well; where emulated ones are not wanted, they do not count.
    await client.subscribe("app:a")
    (call,) = receiver.calls("subscribe")
    assert (call["headers"]["cookie"], call["headers"].get("x-room")) == ("session=1", None)
    await client.publish("app:a", 1)
    (call,) = receiver.calls("publish")
    assert call["headers"]["x-room"] == "12"
    await client.leave()


async def test_cookies_of_answers_are_forgotten(receiver: Receiver, websocket: str) -> None:
    """What one user's answer sets is not sent with another user's call."""
    receiver.plan("rpc", {"json": {"result": {}}, "headers": {"set-cookie": "session=ada; Path=/"}})
    async with known(websocket) as client:
        await client.rpc("m")
        await client.rpc("m")
    assert [call["headers"].get("cookie") for call in receiver.calls("rpc")] == [None, None]


async def test_signature(receiver: Receiver, websocket: str) -> None:
    """The recipe of the documentation: HMAC-SHA256 over time, full stop and body."""
    receiver.answers("connect", {"result": {"user": "42"}})
    async with Client(websocket):
        (call,) = receiver.calls("connect")
    moment, signature = (part.split("=")[1] for part in call["headers"]["x-tidings-signature"].split(","))
    expected = hmac.new(SECRET.encode(), f"{moment}.{call['text']}".encode(), hashlib.sha256).hexdigest()
    assert signature == expected
    assert abs(int(moment) - time.time()) < 60


# subscribe, publish, rpc


async def test_subscribe(receiver: Receiver, websocket: str) -> None:
    async with known(websocket) as client:
        receiver.answers("subscribe", {"result": {"data": {"hello": 1}, "override": {"presence": {"value": True}}}})
        subscription = await client.subscribe("app:a", data={"key": "k"})
        assert json.loads(bytes(subscription.result.data)) == {"hello": 1}
        (body,) = receiver.bodies("subscribe")
        assert (body["channel"], body["data"], body["user"]) == ("app:a", {"key": "k"}, "ada")
        receiver.answers("subscribe", {"error": {"code": 403, "message": "not you"}})
        error = await refused(client, subscribe=SubscribeRequest("app:b"))
        assert (error.code, error.message) == (403, "not you")
        # Channels of a namespace without the option are nobody's business.
        await client.subscribe("free:a")
        assert len(receiver.calls("subscribe")) == 2


async def test_publish(receiver: Receiver, websocket: str) -> None:
    async with known(websocket) as client:
        channel = await client.subscribe("app:p")
        receiver.answers(
            "publish",
            {"result": {}},
            {"result": {"data": {"better": 1}, "tags": {"by": "us"}, "idempotency_key": "k1"}},
            {"result": {"data": "again", "idempotency_key": "k1"}},
            {"error": {"code": 400, "message": "no"}},
        )
        await client.publish("app:p", {"plain": 1})
        await client.publish("app:p", {"bad": 1})
        await client.publish("app:p", {"bad": 2})
        with pytest.raises(ReplyError, match="400: no"):
            await client.publish("app:p", {})
        assert (await channel.receive()).data == {"plain": 1}
        published = await channel.receive()
        assert (published.data, published.tags) == ({"better": 1}, {"by": "us"})
        assert receiver.bodies("publish")[0]["data"] == {"plain": 1}


async def test_protobuf(receiver: Receiver, websocket: str) -> None:
    """Payloads that are no JSON go and come in Base64."""
    async with known(websocket, encoding="protobuf") as client:
        receiver.answers("rpc", {"result": {"b64data": base64.b64encode(b"\x00\x01").decode()}})
        assert await client.rpc("m", b"\xff\x00") == b"\x00\x01"
        (body,) = receiver.bodies("rpc")
        assert (body["b64data"], body["protocol"]) == (base64.b64encode(b"\xff\x00").decode(), "protobuf")


# refresh and sub_refresh


async def test_refresh(receiver: Receiver, websocket: str) -> None:
    """The server asks by itself as soon as the time has come, and the client is not bothered."""
    receiver.answers("connect", {"result": {"user": "42", "expire_at": time.time() + 0.2}})
    receiver.answers(
        "refresh", {"result": {"expire_at": time.time() + 1.2, "info": {"new": 1}}}, {"result": {"expired": True}}
    )
    client = Client(websocket)
    result = await client.connect()
    assert (result.expires, result.ttl) == (False, 0)
    assert (await client.expect_closed()).code == 3005
    assert [body["user"] for body in receiver.bodies("refresh")] == ["42", "42"]
    await client.leave()


async def test_sub_refresh(receiver: Receiver, websocket: str) -> None:
    receiver.answers("subscribe", {"result": {"expire_at": time.time() + 0.2}})
    receiver.answers("sub_refresh", {"result": {"expire_at": time.time() + 1.2}}, {"result": {"expired": True}})
    async with known(websocket) as client:
        subscription = await client.subscribe("app:s")
        assert (subscription.result.expires, subscription.result.ttl) == (False, 0)
        await until(lambda: not subscription.is_active)
        assert [body["channel"] for body in receiver.bodies("sub_refresh")] == ["app:s", "app:s"]
        assert client.is_open
