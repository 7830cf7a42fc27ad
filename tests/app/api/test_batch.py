"""Batches: many commands in one request, in order or side by side."""

from __future__ import annotations

import asyncio
import json

import pytest
from tests.gateway.wire import turn

pytestmark = pytest.mark.shell


async def test_every_method(site):
    """A reply has the result under the method's name, without an envelope of its own."""
    body = b"""{"commands":[
        {"publish":{"channel":"news","data":1}}, {"broadcast":{"channels":["news","nowhere:a"],"data":1}},
        {"subscribe":{"user":"42","channel":"news"}}, {"unsubscribe":{"user":"42","channel":"news"}},
        {"disconnect":{"user":"42"}}, {"refresh":{"user":"42"}},
        {"presence":{"channel":"seen:a"}}, {"presence_stats":{"channel":"seen:a"}},
        {"history_remove":{"channel":"kept:a"}}, {"channels":{}}, {"rpc":{"method":"unknown"}}
    ]}"""
    assert await site.call("batch", body) == (
        b'{"replies":[{"publish":{}},'
        b'{"broadcast":{"responses":[{"result":{}},{"error":{"code":102,"message":"unknown channel"}}]}},'
        b'{"subscribe":{}},{"unsubscribe":{}},{"disconnect":{}},{"refresh":{}},'
        b'{"presence":{"presence":{}}},{"presence_stats":{"num_clients":0,"num_users":0}},'
        b'{"history_remove":{}},{"channels":{"channels":{}}},{"error":{"code":104,"message":"method not found"}}]}'
    )


async def test_history_and_info(site):
    """The two whose results are never the same."""
    answer = json.loads(await site.call("batch", b'{"commands":[{"history":{"channel":"kept:a"}},{"info":{}}]}'))
    history, info = answer["replies"]
    assert history["history"]["publications"] == []
    assert info["info"]["nodes"][0]["uid"] == site.node.id


@pytest.mark.parametrize("body", [b'{"commands":[]}', b'{"commands":[],"parallel":null,"more":1}'])
async def test_nothing_to_do(site, body):
    assert await site.call("batch", body) == b'{"replies":[]}'


async def test_one_after_the_other(site):
    """Each command sees what the one before it did, and publications keep their order, in long batches as well."""
    reader = await site.visit("42", "kept:a")
    commands = [{"publish": {"channel": "kept:a", "data": number}} for number in range(250)]
    await site.call("batch", json.dumps({"commands": commands}).encode())
    await turn()
    assert [push["pub"]["data"] for push in reader.pushes if "pub" in push] == list(range(250))


async def test_others_get_their_turn(site):
    """A long batch that never waits still lets the loop do other things in between."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    commands = [{"publish": {"channel": "news", "data": 1}}] * 1000
    await site.call("batch", json.dumps({"commands": commands}).encode())
    counting.cancel()
    assert turns >= 10


async def test_strictly_in_sequence(site):
    """A command begins when the one before it has ended."""
    events = []

    async def slow(params: bytes) -> bytes:
        events.append(b"begin " + params)
        await asyncio.sleep(0)
        events.append(b"end " + params)
        return params

    site.rpc["slow"] = slow
    commands = [{"rpc": {"method": "slow", "params": number}} for number in (1, 2)]
    answer = json.loads(await site.call("batch", json.dumps({"commands": commands}).encode()))
    assert answer == {"replies": [{"rpc": {"data": 1}}, {"rpc": {"data": 2}}]}
    assert events == [b"begin 1", b"end 1", b"begin 2", b"end 2"]


async def test_side_by_side(site):
    """With `parallel` a command may wait for a later one; the replies are in order all the same."""
    met = asyncio.Event()

    async def wait(params: bytes) -> bytes:
        await met.wait()
        return b'"waited"'

    async def meet(params: bytes) -> bytes:
        met.set()
        return b'"met"'

    site.rpc |= {"wait": wait, "meet": meet}
    body = b'{"parallel":true,"commands":[{"rpc":{"method":"wait"}},{"rpc":{"method":"meet"}},{"rpc":{}}]}'
    replies = json.loads(await site.call("batch", body))["replies"]
    assert replies[:2] == [{"rpc": {"data": "waited"}}, {"rpc": {"data": "met"}}]
    assert replies[2]["error"]["code"] == 107


async def test_each_fares_for_itself(site):
    """Commands that cannot be read or carried out are answered with their errors, and the others are carried out."""
    body = b"""{"commands":[
        {"publish":{"channel":"kept:a","data":1}}, {"publish":{"data":1}}, {"publish":{"channel":"nowhere:a","data":1}},
        {"connections":{"user":"42"}}, {}, null, 5, {"history":{"channel":"news"}},
        {"publish":{"channel":"kept:a","data":2}}
    ]}"""
    first, *failed, last = json.loads(await site.call("batch", body))["replies"]
    assert (first["publish"]["offset"], last["publish"]["offset"]) == (1, 2)
    assert [reply["error"] for reply in failed] == [
        {"code": 107, "message": "Object missing required field channel, at publish"},
        {"code": 102, "message": "unknown channel"},
        {"code": 104, "message": "method not found"},
        {"code": 104, "message": "method not found"},
        {"code": 107, "message": "Expected object, got null"},
        {"code": 107, "message": "Expected object, got int"},
        {"code": 108, "message": "not available"},
    ]


async def test_the_first_method_counts(site):
    """A command is for one method; of several the first in the documented order is carried out, whatever is written."""
    body = b'{"commands":[{"info":{},"history":null,"publish":{"channel":"news","data":1}}]}'
    assert await site.call("batch", body) == b'{"replies":[{"publish":{}}]}'


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{}", "Object missing required field commands"),
        (b'{"commands":{}}', "Expected array, got object, at commands"),
        (b'{"commands":[],"parallel":"yes"}', "Expected bool | null, got str, at parallel"),
    ],
)
async def test_what_is_no_batch(site, body, message):
    answer = json.loads(await site.call("batch", body))
    assert answer == {"error": {"code": 107, "message": message}}
