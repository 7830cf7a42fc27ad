"""The rules of proto3's binary format, one by one."""

from __future__ import annotations

import pytest
from msgspec import Raw

from tidings.wire.centrifuge.messages import (
    NOTHING,
    ClientInfo,
    ConnectRequest,
    ConnectResult,
    FilterNode,
    HistoryRequest,
    HistoryResult,
    PresenceResult,
    PresenceStatsResult,
    Publication,
    RPCRequest,
    StreamPosition,
    SubscribeRequest,
    SubscribeResult,
)
from tidings.wire.centrifuge.proto3 import delimited, layout, read_delimited

pytestmark = pytest.mark.core

RPC = layout(RPCRequest)  # data 1, method 2
SUBSCRIBE = layout(SubscribeRequest)  # channel 1, recover 3, offset 7, tf 13, flag 14, type 15
CONNECT = layout(ConnectRequest)  # token 1, subs 3, headers 6
HISTORY = layout(HistoryRequest)  # limit 7, since 8 of offset 1, epoch 2
FILTER = layout(FilterNode)  # vals 5, nodes 6


def filters(depth: int) -> bytes:
    """A filter with that many levels below it, each with one node."""
    data = b""
    for _ in range(depth):
        data = b"\x32" + delimited(data)
    return data


# Varints and lengths.


@pytest.mark.parametrize(
    ("value", "varint"),
    [
        (1, b"\x01"),
        (127, b"\x7f"),
        (128, b"\x80\x01"),
        (300, b"\xac\x02"),
        (2**63 - 1, b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
        (-1, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        (-(2**63), b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
    ],
)
def test_varint(value: int, varint: bytes) -> None:
    """Seven bits a byte, the lowest first; negative numbers always take ten bytes."""
    assert SUBSCRIBE.write(SubscribeRequest(flag=value)) == b"\x70" + varint
    assert SUBSCRIBE.read(b"\x70" + varint) == SubscribeRequest(flag=value)


def test_long_varint() -> None:
    """Leading zeros are allowed, up to ten bytes."""
    assert SUBSCRIBE.read(b"\x38\x87\x80\x80\x80\x80\x80\x80\x80\x80\x00") == SubscribeRequest(offset=7)
    with pytest.raises(ValueError, match="varint"):
        SUBSCRIBE.read(b"\x38\x87\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00")


@pytest.mark.parametrize(
    ("data", "field", "value"),
    [
        pytest.param(b"\x38" + b"\xff" * 9 + b"\x7f", "offset", 2**64 - 1, id="uint64"),
        pytest.param(b"\x78\xff\xff\xff\xff\x0f", "type", -1, id="int32 of 32 bits"),
        pytest.param(b"\x78\x81\x80\x80\x80\x10", "type", 1, id="int32 of 33 bits"),
        pytest.param(b"\x18\x80\x80\x80\x80\x10", "recover", True, id="bool of 33 bits"),
        pytest.param(b"\x18" + b"\x80" * 9 + b"\x02", "recover", False, id="bool with nothing in its 64 bits"),
    ],
)
def test_wide_integer(data: bytes, field: str, value: int) -> None:
    """An integer keeps the lowest bits that its field has room for; any bit makes a bool true."""
    assert SUBSCRIBE.read(data) == SubscribeRequest(**{field: value})


def test_wide_uint32() -> None:
    """Unsigned fields are cut as well."""
    assert layout(PresenceStatsResult).read(b"\x08\x81\x80\x80\x80\x10") == PresenceStatsResult(1, 0)


def test_delimited() -> None:
    """Bytes after their length."""
    assert delimited(b"") == b"\x00"
    assert delimited(bytes(300)) == b"\xac\x02" + bytes(300)
    assert read_delimited(b"..\x02abc", 2) == (b"ab", 5)


# Fields.


@pytest.mark.parametrize(
    "unknown",
    [
        pytest.param(b"\x98\x06\xac\x02", id="varint"),
        pytest.param(b"\x99\x06" + bytes(8), id="8 bytes"),
        pytest.param(b"\x9a\x06\x03abc", id="delimited"),
        pytest.param(b"\x9d\x06" + bytes(4), id="4 bytes"),
        pytest.param(b"\xfa\xff\xff\xff\x0f\x00", id="highest number"),
        pytest.param(b"\x10\x01", id="known number, another wire type"),
    ],
)
def test_unknown_field(unknown: bytes) -> None:
    """A field that is not in the schema is skipped, wherever it stands."""
    assert RPC.read(unknown + b"\x12\x01m" + unknown) == RPCRequest(method="m")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x12", id="no length"),
        pytest.param(b"\x12\x02m", id="bytes cut short"),
        pytest.param(b"\x12\xff\xff\xff\xff\x0f", id="huge length"),
        pytest.param(b"\x12\x80\x80\x80\x80\x80\x00", id="length of six bytes"),
        pytest.param(b"\x10", id="no varint"),
        pytest.param(b"\x10\x80", id="varint cut short"),
        pytest.param(b"\x19" + bytes(7), id="8 bytes cut short"),
        pytest.param(b"\x1d" + bytes(3), id="4 bytes cut short"),
        pytest.param(b"\x02\x00", id="field number 0"),
        pytest.param(b"\x80\x80", id="tag cut short"),
        pytest.param(b"\x98\x80\x80\x80\x10\x00", id="tag of 33 bits"),
        pytest.param(b"\x98\x80\x80\x80\x80\x00\x00", id="tag of six bytes"),
        pytest.param(b"\x1b\x1c", id="group"),
        pytest.param(b"\x1c", id="end of a group"),
        pytest.param(b"\x1e", id="wire type 6"),
        pytest.param(b"\x1f", id="wire type 7"),
        pytest.param(b"\x12\x01\xff", id="text that is not UTF-8"),
    ],
)
def test_malformed(data: bytes) -> None:
    """What breaks the format is refused."""
    with pytest.raises(ValueError):
        RPC.read(data)


def test_zero_values() -> None:
    """Zero values are not written, and absent fields have them, whatever the message requires of its makers."""
    assert RPC.write(RPCRequest(NOTHING, "")) == b""
    assert layout(HistoryResult).read(b"") == HistoryResult([], "", 0)
    assert layout(PresenceStatsResult).read(b"") == PresenceStatsResult(0, 0)
    assert layout(PresenceResult).read(b"") == PresenceResult({})
    assert layout(ClientInfo).read(b"") == ClientInfo("", "")


def test_written_zero_values() -> None:
    """A zero value that was written all the same is no different from one that was not."""
    rpc = RPC.read(b"\x0a\x00\x12\x00")
    assert rpc == RPCRequest()
    assert rpc.data is NOTHING


def test_empty_message() -> None:
    """A message within a message is there even if it is empty."""
    assert HISTORY.write(HistoryRequest(since=StreamPosition())) == b"\x42\x00"
    assert HISTORY.read(b"\x42\x00") == HistoryRequest(since=StreamPosition())


# What comes twice.


def test_last_scalar() -> None:
    """The last value of a scalar field holds, even if it is zero."""
    assert RPC.read(b"\x12\x01a\x0a\x01x\x12\x01b\x0a\x00") == RPCRequest(method="b")


def test_merged_message() -> None:
    """Occurrences of a message are merged field by field, at every level."""
    assert HISTORY.read(b"\x42\x04\x08\x01\x10\x00\x42\x03\x12\x01e\x42\x02\x08\x02") == HistoryRequest(
        since=StreamPosition(2, "e")
    )


def test_merged_lists() -> None:
    """Merging appends to what a list has already."""
    assert SUBSCRIBE.read(b"\x6a\x06\x2a\x01a\x2a\x01b\x6a\x05\x2a\x01c\x32\x00") == SubscribeRequest(
        tf=FilterNode(vals=["a", "b", "c"], nodes=[FilterNode()])
    )


def test_messages_stay_apart() -> None:
    """What one message holds does not show up in the next one."""
    assert FILTER.read(b"\x2a\x01a") == FilterNode(vals=["a"])
    assert FILTER.read(b"\x2a\x01b") == FilterNode(vals=["b"])


# Lists and maps.


def test_list() -> None:
    """Every item is a field of its own, zero values included."""
    node = FilterNode(vals=["a", "", "b"], nodes=[FilterNode(), FilterNode(op="not")])
    assert FILTER.write(node) == b"\x2a\x01a\x2a\x00\x2a\x01b\x32\x00\x32\x05\x0a\x03not"
    assert FILTER.read(FILTER.write(node)) == node


def test_list_of_messages() -> None:
    """The items of a list are not merged."""
    result = SubscribeResult(publications=[Publication(Raw(b"1"), offset=1), Publication(Raw(b"2"), offset=2)])
    assert layout(SubscribeResult).write(result) == b"\x3a\x05\x22\x011\x30\x01\x3a\x05\x22\x012\x30\x02"
    assert layout(SubscribeResult).read(layout(SubscribeResult).write(result)) == result


def test_map() -> None:
    """An entry is a message of a key and a value, both always written."""
    request = ConnectRequest(headers={"a": "b", "": ""})
    assert CONNECT.write(request) == b"\x32\x06\x0a\x01a\x12\x01b\x32\x04\x0a\x00\x12\x00"
    assert CONNECT.read(CONNECT.write(request)) == request


@pytest.mark.parametrize(
    ("entry", "subs"),
    [
        pytest.param(b"", {"": SubscribeRequest()}, id="empty"),
        pytest.param(b"\x0a\x01a", {"a": SubscribeRequest()}, id="no value"),
        pytest.param(b"\x12\x02\x38\x07", {"": SubscribeRequest(offset=7)}, id="no key"),
        pytest.param(b"\x12\x02\x38\x07\x0a\x01a", {"a": SubscribeRequest(offset=7)}, id="value first"),
        pytest.param(b"\x0a\x01a\x1a\x01x", {"a": SubscribeRequest()}, id="unknown field"),
        pytest.param(
            b"\x12\x02\x38\x07\x12\x02\x18\x01", {"": SubscribeRequest(recover=True, offset=7)}, id="value twice"
        ),
    ],
)
def test_map_entry(entry: bytes, subs: dict[str, SubscribeRequest]) -> None:
    """An entry is read like any message: what is absent has its zero value."""
    assert CONNECT.read(b"\x1a" + delimited(entry)) == ConnectRequest(subs=subs)


def test_same_key() -> None:
    """Of entries with the same key the last one holds, whole."""
    assert CONNECT.read(b"\x1a\x07\x0a\x01a\x12\x02\x38\x07\x1a\x07\x0a\x01a\x12\x02\x18\x01") == ConnectRequest(
        subs={"a": SubscribeRequest(recover=True)}
    )


def test_map_of_results() -> None:
    """Maps of messages are written like maps of text."""
    result = ConnectResult(subs={"a": SubscribeResult(offset=7)})
    assert layout(ConnectResult).write(result) == b"\x32\x07\x0a\x01a\x12\x02\x48\x07"


# Depth.


def test_levels() -> None:
    """A hundred levels below the top are read, one more is malformed."""
    assert FILTER.read(filters(100)).nodes
    with pytest.raises(ValueError, match="levels"):
        FILTER.read(filters(101))


def test_unknown_levels() -> None:
    """What is skipped may nest as it likes: nobody descends."""
    assert RPC.read(b"\x1a" + delimited(filters(10_000))) == RPCRequest()
