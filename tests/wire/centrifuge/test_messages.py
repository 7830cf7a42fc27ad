"""Every message of the protocol, as a value and as the literal bytes of both encodings."""

from __future__ import annotations

import msgspec
import pytest
from centrifuge.protocol import client_pb2
from msgspec import Raw, inspect

from tidings.wire.centrifuge import messages
from tidings.wire.centrifuge.json import JSON
from tidings.wire.centrifuge.messages import (
    ClientInfo,
    Command,
    Connect,
    ConnectRequest,
    ConnectResult,
    Disconnect,
    Error,
    FilterNode,
    HistoryRequest,
    HistoryResult,
    Join,
    Leave,
    Message,
    Note,
    PingRequest,
    PingResult,
    PresenceRequest,
    PresenceResult,
    PresenceStatsRequest,
    PresenceStatsResult,
    Publication,
    PublishRequest,
    PublishResult,
    Push,
    Refresh,
    RefreshRequest,
    RefreshResult,
    Reply,
    RPCRequest,
    RPCResult,
    SendRequest,
    StreamPosition,
    SubRefreshRequest,
    SubRefreshResult,
    Subscribe,
    SubscribeRequest,
    SubscribeResult,
    Unsubscribe,
    UnsubscribeRequest,
    UnsubscribeResult,
)
from tidings.wire.centrifuge.protobuf import PROTOBUF

pytestmark = pytest.mark.core

COMMANDS = [
    pytest.param(
        Command(
            id=1,
            connect=ConnectRequest(
                token="t",
                data=Raw(b'{"a":1}'),
                subs={"news": SubscribeRequest(recover=True, epoch="xyz", offset=7)},
                name="js",
                version="1.0",
                headers={"k": "v"},
                flag=1,
            ),
        ),
        b'{"id":1,"connect":{"token":"t","data":{"a":1},"subs":{"news":{"recover":true,"epoch":"xyz",'
        b'"offset":7}},"name":"js","version":"1.0","headers":{"k":"v"},"flag":1}}',
        b'6\x08\x01"2\n\x01t\x12\x07{"a":1}\x1a\x11\n\x04news\x12\t\x18\x012\x03xyz8\x07"\x02js*\x031.02\x06\n'
        b"\x01k\x12\x01v8\x01",
        id="connect",
    ),
    pytest.param(
        Command(id=1, connect=ConnectRequest()), b'{"id":1,"connect":{}}', b'\x04\x08\x01"\x00', id="an empty connect"
    ),
    pytest.param(
        Command(
            id=2,
            subscribe=SubscribeRequest(
                channel="news",
                token="t",
                recover=True,
                epoch="xyz",
                offset=18446744073709551615,
                data=Raw(b"[]"),
                positioned=True,
                recoverable=True,
                join_leave=True,
                delta="fossil",
                tf=FilterNode(op="not", nodes=[FilterNode(key="k", cmp="in", vals=["a", "b"])]),
                flag=2,
                type=1,
            ),
        ),
        b'{"id":2,"subscribe":{"channel":"news","token":"t","recover":true,"epoch":"xyz",'
        b'"offset":18446744073709551615,"data":[],"positioned":true,"recoverable":true,"join_leave":true,'
        b'"delta":"fossil","tf":{"op":"not","nodes":[{"key":"k","cmp":"in","vals":["a","b"]}]},"flag":2,'
        b'"type":1}}',
        b"K\x08\x02*G\n\x04news\x12\x01t\x18\x012\x03xyz8\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01B\x02[]H\x01P"
        b"\x01X\x01b\x06fossilj\x14\n\x03not2\r\x12\x01k\x1a\x02in*\x01a*\x01bp\x02x\x01",
        id="subscribe",
    ),
    pytest.param(
        Command(id=3, unsubscribe=UnsubscribeRequest(channel="news")),
        b'{"id":3,"unsubscribe":{"channel":"news"}}',
        b"\n\x08\x032\x06\n\x04news",
        id="unsubscribe",
    ),
    pytest.param(
        Command(id=4, publish=PublishRequest(channel="news", data=Raw(b'{"a":1}'), type=1)),
        b'{"id":4,"publish":{"channel":"news","data":{"a":1},"type":1}}',
        b'\x15\x08\x04:\x11\n\x04news\x12\x07{"a":1}\x18\x01',
        id="publish",
    ),
    pytest.param(
        Command(id=5, presence=PresenceRequest(channel="news")),
        b'{"id":5,"presence":{"channel":"news"}}',
        b"\n\x08\x05B\x06\n\x04news",
        id="presence",
    ),
    pytest.param(
        Command(id=6, presence_stats=PresenceStatsRequest(channel="news")),
        b'{"id":6,"presence_stats":{"channel":"news"}}',
        b"\n\x08\x06J\x06\n\x04news",
        id="presence_stats",
    ),
    pytest.param(
        Command(
            id=7,
            history=HistoryRequest(
                channel="news", limit=-1, since=StreamPosition(offset=300, epoch="xyz"), reverse=True
            ),
        ),
        b'{"id":7,"history":{"channel":"news","limit":-1,"since":{"offset":300,"epoch":"xyz"},"reverse":true}}',
        b"!\x08\x07R\x1d\n\x04news8\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01B\x08\x08\xac\x02\x12\x03xyzH\x01",
        id="history",
    ),
    pytest.param(Command(id=8, ping=PingRequest()), b'{"id":8,"ping":{}}', b"\x04\x08\x08Z\x00", id="ping"),
    pytest.param(
        Command(send=SendRequest(data=Raw(b'"hi"'))), b'{"send":{"data":"hi"}}', b'\x08b\x06\n\x04"hi"', id="send"
    ),
    pytest.param(
        Command(id=4294967295, rpc=RPCRequest(data=Raw(b"null"), method="quote")),
        b'{"id":4294967295,"rpc":{"data":null,"method":"quote"}}',
        b"\x15\x08\xff\xff\xff\xff\x0fj\r\n\x04null\x12\x05quote",
        id="rpc",
    ),
    pytest.param(
        Command(id=11, refresh=RefreshRequest(token="t")),
        b'{"id":11,"refresh":{"token":"t"}}',
        b"\x07\x08\x0br\x03\n\x01t",
        id="refresh",
    ),
    pytest.param(
        Command(id=12, sub_refresh=SubRefreshRequest(channel="news", token="t", type=1)),
        b'{"id":12,"sub_refresh":{"channel":"news","token":"t","type":1}}',
        b"\x0f\x08\x0cz\x0b\n\x04news\x12\x01t\x18\x01",
        id="sub_refresh",
    ),
    pytest.param(Command(), b"{}", b"\x00", id="a pong"),
]

REPLIES = [
    pytest.param(Reply(), b"{}", b"\x00", id="a ping"),
    pytest.param(
        Reply(id=1, error=Error(100, "internal server error", True)),
        b'{"id":1,"error":{"code":100,"message":"internal server error","temporary":true}}',
        b"\x1f\x08\x01\x12\x1b\x08d\x12\x15internal server error\x18\x01",
        id="error",
    ),
    pytest.param(
        Reply(
            id=1,
            connect=ConnectResult(
                client="c",
                version="0.1",
                expires=True,
                ttl=3600,
                data=Raw(b"1"),
                subs={"#42": SubscribeResult(recoverable=True, epoch="xyz", positioned=True)},
                ping=25,
                pong=True,
                session="s",
                node="n",
                time=1700000000123,
            ),
        ),
        b'{"id":1,"connect":{"client":"c","version":"0.1","expires":true,"ttl":3600,"data":1,'
        b'"subs":{"#42":{"recoverable":true,"epoch":"xyz","positioned":true}},"ping":25,"pong":true,'
        b'"session":"s","node":"n","time":1700000000123}}',
        b"7\x08\x01*3\n\x01c\x12\x030.1\x18\x01 \x90\x1c*\x0112\x10\n\x03#42\x12\t\x18\x012\x03xyzP\x018\x19@"
        b"\x01J\x01sR\x01nX\xfb\xd0\x95\xff\xbc1",
        id="connect",
    ),
    pytest.param(
        Reply(
            id=2,
            subscribe=SubscribeResult(
                expires=True,
                ttl=60,
                recoverable=True,
                epoch="xyz",
                publications=[Publication(data=Raw(b"1"), offset=8), Publication(data=Raw(b"2"), offset=9)],
                recovered=True,
                offset=7,
                positioned=True,
                data=Raw(b"{}"),
                was_recovering=True,
                delta=True,
            ),
        ),
        b'{"id":2,"subscribe":{"expires":true,"ttl":60,"recoverable":true,"epoch":"xyz",'
        b'"publications":[{"data":1,"offset":8},{"data":2,"offset":9}],"recovered":true,"offset":7,'
        b'"positioned":true,"data":{},"was_recovering":true,"delta":true}}',
        b'+\x08\x022\'\x08\x01\x10<\x18\x012\x03xyz:\x05"\x0110\x08:\x05"\x0120\t@\x01H\x07P\x01Z\x02{}`\x01h\x01',
        id="subscribe",
    ),
    pytest.param(
        Reply(id=3, unsubscribe=UnsubscribeResult()),
        b'{"id":3,"unsubscribe":{}}',
        b"\x04\x08\x03:\x00",
        id="unsubscribe",
    ),
    pytest.param(Reply(id=4, publish=PublishResult()), b'{"id":4,"publish":{}}', b"\x04\x08\x04B\x00", id="publish"),
    pytest.param(
        Reply(id=5, presence=PresenceResult({"c": ClientInfo("42", "c", Raw(b'{"name":"Ann"}'), Raw(b"true"))})),
        b'{"id":5,"presence":{"presence":{"c":{"user":"42","client":"c","conn_info":{"name":"Ann"},'
        b'"chan_info":true}}}}',
        b'(\x08\x05J$\n"\n\x01c\x12\x1d\n\x0242\x12\x01c\x1a\x0e{"name":"Ann"}"\x04true',
        id="presence",
    ),
    pytest.param(
        Reply(id=5, presence=PresenceResult({})),
        b'{"id":5,"presence":{"presence":{}}}',
        b"\x04\x08\x05J\x00",
        id="an empty presence",
    ),
    pytest.param(
        Reply(id=6, presence_stats=PresenceStatsResult(2, 1)),
        b'{"id":6,"presence_stats":{"num_clients":2,"num_users":1}}',
        b"\x08\x08\x06R\x04\x08\x02\x10\x01",
        id="presence_stats",
    ),
    pytest.param(
        Reply(id=6, presence_stats=PresenceStatsResult(0, 0)),
        b'{"id":6,"presence_stats":{"num_clients":0,"num_users":0}}',
        b"\x04\x08\x06R\x00",
        id="empty presence_stats",
    ),
    pytest.param(
        Reply(
            id=7,
            history=HistoryResult(
                [Publication(data=Raw(b"1"), offset=3, tags={"k": "v"}, time=1700000000123)], "xyz", 3
            ),
        ),
        b'{"id":7,"history":{"publications":[{"data":1,"offset":3,"tags":{"k":"v"},"time":1700000000123}],'
        b'"epoch":"xyz","offset":3}}',
        b'!\x08\x07Z\x1d\n\x14"\x0110\x03:\x06\n\x01k\x12\x01vH\xfb\xd0\x95\xff\xbc1\x12\x03xyz\x18\x03',
        id="history",
    ),
    pytest.param(
        Reply(id=7, history=HistoryResult([], "", 0)),
        b'{"id":7,"history":{"publications":[],"epoch":"","offset":0}}',
        b"\x04\x08\x07Z\x00",
        id="an empty history",
    ),
    pytest.param(Reply(id=8, ping=PingResult()), b'{"id":8,"ping":{}}', b"\x04\x08\x08b\x00", id="ping"),
    pytest.param(
        Reply(id=10, rpc=RPCResult(data=Raw(b"[1]"))),
        b'{"id":10,"rpc":{"data":[1]}}',
        b"\t\x08\nj\x05\n\x03[1]",
        id="rpc",
    ),
    pytest.param(
        Reply(id=11, refresh=RefreshResult(client="c", version="0.1", expires=True, ttl=3600)),
        b'{"id":11,"refresh":{"client":"c","version":"0.1","expires":true,"ttl":3600}}',
        b"\x11\x08\x0br\r\n\x01c\x12\x030.1\x18\x01 \x90\x1c",
        id="refresh",
    ),
    pytest.param(
        Reply(id=12, sub_refresh=SubRefreshResult(expires=True, ttl=60)),
        b'{"id":12,"sub_refresh":{"expires":true,"ttl":60}}',
        b"\x08\x08\x0cz\x04\x08\x01\x10<",
        id="sub_refresh",
    ),
]

PUSHES = [
    pytest.param(
        Reply(
            push=Push(
                "news",
                pub=Publication(
                    data=Raw(b'{"a":1}'),
                    info=ClientInfo("", "c"),
                    offset=8,
                    tags={"k": "v"},
                    delta=True,
                    time=1700000000123,
                ),
            )
        ),
        b'{"push":{"channel":"news","pub":{"data":{"a":1},"info":{"user":"","client":"c"},"offset":8,'
        b'"tags":{"k":"v"},"delta":true,"time":1700000000123}}}',
        b'+")\x12\x04news"!"\x07{"a":1}*\x03\x12\x01c0\x08:\x06\n\x01k\x12\x01v@\x01H\xfb\xd0\x95\xff\xbc1',
        id="pub",
    ),
    pytest.param(
        Reply(push=Push("news", join=Join(ClientInfo("42", "c")))),
        b'{"push":{"channel":"news","join":{"info":{"user":"42","client":"c"}}}}',
        b'\x13"\x11\x12\x04news*\t\n\x07\n\x0242\x12\x01c',
        id="join",
    ),
    pytest.param(
        Reply(push=Push("news", leave=Leave(ClientInfo("42", "c")))),
        b'{"push":{"channel":"news","leave":{"info":{"user":"42","client":"c"}}}}',
        b'\x13"\x11\x12\x04news2\t\n\x07\n\x0242\x12\x01c',
        id="leave",
    ),
    pytest.param(
        Reply(push=Push("news", unsubscribe=Unsubscribe(2500, "insufficient state"))),
        b'{"push":{"channel":"news","unsubscribe":{"code":2500,"reason":"insufficient state"}}}',
        b'!"\x1f\x12\x04news:\x17\x10\xc4\x13\x1a\x12insufficient state',
        id="unsubscribe",
    ),
    pytest.param(
        Reply(push=Push(message=Note(Raw(b'"hi"')))),
        b'{"push":{"message":{"data":"hi"}}}',
        b'\n"\x08B\x06\n\x04"hi"',
        id="message",
    ),
    pytest.param(
        Reply(
            push=Push(
                "news", subscribe=Subscribe(recoverable=True, epoch="xyz", offset=7, positioned=True, data=Raw(b"1"))
            )
        ),
        b'{"push":{"channel":"news","subscribe":{"recoverable":true,"epoch":"xyz","offset":7,"positioned":true,'
        b'"data":1}}}',
        b'\x18"\x16\x12\x04newsJ\x0e\x08\x01"\x03xyz(\x070\x01:\x011',
        id="subscribe",
    ),
    pytest.param(
        Reply(
            push=Push(
                connect=Connect(
                    client="c",
                    version="0.1",
                    data=Raw(b"1"),
                    subs={"news": SubscribeResult()},
                    expires=True,
                    ttl=60,
                    ping=25,
                    pong=True,
                    session="s",
                    node="n",
                    time=1,
                )
            )
        ),
        b'{"push":{"connect":{"client":"c","version":"0.1","data":1,"subs":{"news":{}},"expires":true,"ttl":60,'
        b'"ping":25,"pong":true,"session":"s","node":"n","time":1}}}',
        b')"\'R%\n\x01c\x12\x030.1\x1a\x011"\x08\n\x04news\x12\x00(\x010<8\x19@\x01J\x01sR\x01nX\x01',
        id="connect",
    ),
    pytest.param(
        Reply(push=Push(disconnect=Disconnect(3001, "shutdown", True))),
        b'{"push":{"disconnect":{"code":3001,"reason":"shutdown","reconnect":true}}}',
        b'\x13"\x11Z\x0f\x08\xb9\x17\x12\x08shutdown\x18\x01',
        id="disconnect",
    ),
    pytest.param(
        Reply(push=Push(refresh=Refresh(expires=True, ttl=60))),
        b'{"push":{"refresh":{"expires":true,"ttl":60}}}',
        b'\x08"\x06b\x04\x08\x01\x10<',
        id="refresh",
    ),
]


@pytest.mark.parametrize(("command", "json", "protobuf"), COMMANDS)
def test_commands(command: Command, json: bytes, protobuf: bytes) -> None:
    """Either encoding of a command is read as the same value."""
    assert JSON.decode(json) == [command]
    assert PROTOBUF.decode(protobuf) == [command]


@pytest.mark.parametrize(("reply", "json", "protobuf"), REPLIES + PUSHES)
def test_replies(reply: Reply, json: bytes, protobuf: bytes) -> None:
    """A reply is written without its zero values, in the order of the schema."""
    assert JSON.encode(reply) == json
    assert PROTOBUF.encode(reply) == protobuf


@pytest.mark.parametrize("envelope", [Command, Reply, Push])
def test_every_payload_has_its_bytes_here(envelope: type[Message]) -> None:
    """No command, reply or push is left out above."""
    written = {name for case in COMMANDS + REPLIES + PUSHES for name in names(envelope, case.values[0])}
    assert written == {field.name for field in msgspec.structs.fields(envelope)}


def names(envelope: type[Message], message: Message | None) -> set[str]:
    """The fields of an envelope that are set in a message, or in the push that it carries."""
    if isinstance(message, envelope):
        return {field.name for field in msgspec.structs.fields(message) if getattr(message, field.name)}
    return names(envelope, message.push) if isinstance(message, Reply) and message.push else set()


def test_numbers() -> None:
    """Fields have the names and numbers of the official schema; only map subscriptions' are not in the SDK's yet."""
    ours = {type_: numbers(type_) for type_ in Message.__subclasses__()}
    unknown = {
        (type_, name)
        for type_, fields in ours.items()
        for name, number in fields.items()
        if number != theirs(type_, name)
    }
    assert unknown == {(messages.SubscribeRequest, "type"), (PublishRequest, "type"), (SubRefreshRequest, "type")}


def numbers(type_: type[Message]) -> dict[str, int]:
    struct = inspect.type_info(type_)
    return {field.name: field.type.extra["number"] for field in struct.fields}


def theirs(type_: type[Message], field: str) -> int | None:
    name = "Message" if type_ is Note else type_.__name__
    known = client_pb2.DESCRIPTOR.message_types_by_name[name].fields_by_name.get(field)
    return known and known.number


@pytest.mark.parametrize(("command", "json", "protobuf"), COMMANDS)
def test_request(command: Command, json: bytes, protobuf: bytes) -> None:
    """The request of a command is whichever payload it has."""
    payloads = [getattr(command, field.name) for field in msgspec.structs.fields(command) if field.name != "id"]
    assert command.request() == next((payload for payload in payloads if payload is not None), None)


def test_first_request() -> None:
    """Of several payloads the first one in the order of the schema counts."""
    history, presence = HistoryRequest("news"), PresenceRequest("news")
    assert Command(1, history=history, presence=presence).request() is presence
    assert Command(1, history=history).request() is history
    assert Command(1).request() is None


def test_empty_request() -> None:
    """An empty payload is a payload."""
    assert Command(1, ping=PingRequest(), send=SendRequest()).request() == PingRequest()


@pytest.mark.parametrize("type_", [StreamPosition, SubscribeRequest])
def test_offsets_have_64_bits(type_: type[StreamPosition] | type[SubscribeRequest]) -> None:
    """An offset that a client names is bounded from above, which msgspec cannot do by itself."""
    assert type_(offset=2**64 - 1).offset == 2**64 - 1
    with pytest.raises(ValueError, match="18446744073709551615"):
        type_(offset=2**64)
