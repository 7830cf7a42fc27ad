"""Each method of the HTTP API, by what is posted and what comes back, byte for byte."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from tests.gateway.wire import turn

from tidings import events
from tidings.errors import TidingsError, TooManyRequests

pytestmark = pytest.mark.shell

DONE = b'{"result":{}}'


def error_of(answer: bytes) -> tuple[int, str]:
    error = json.loads(answer)["error"]
    return error["code"], error["message"]


def result_of(answer: bytes) -> Any:
    return json.loads(answer)["result"]


# publish


async def test_publish(site):
    """Subscribers get the data as it was posted, and in a channel without history there is nothing to answer."""
    reader = await site.visit("42", "news")
    assert await site.call("publish", b'{"channel":"news","data":{"a" : [1.0, "\\u00e9"]}}') == DONE
    await turn()
    (heard,) = [push["pub"] for push in reader.pushes if "pub" in push]
    assert heard["data"] == {"a": [1.0, "é"]}


@pytest.mark.parametrize("data", [b"1.50", b'"text"', b"null", b"[ ]", b'{"a":1, "a":2}', b"1e5", '"é"'.encode()])
async def test_publish_keeps_the_bytes(site, data):
    """Any JSON value is a payload, and stays as it was written."""
    await site.call("publish", b'{"channel":"kept:a","data": ' + data + b" }")
    (kept,) = (await site.node.hub.history("kept:a")).publications
    assert kept.data == data


async def test_publish_with_history(site):
    """In a channel with history the answer is the publication's position."""
    result = result_of(await site.call("publish", b'{"channel":"kept:a","data":1}'))
    assert result == {"offset": 1, "epoch": result["epoch"]}
    assert result_of(await site.call("publish", b'{"channel":"kept:a","data":2}')) == {**result, "offset": 2}


async def test_publish_past_the_history(site):
    """`skip_history` publishes without keeping, and so without a position."""
    assert await site.call("publish", b'{"channel":"kept:a","data":1,"skip_history":true}') == DONE
    assert (await site.node.hub.history("kept:a")).publications == ()


async def test_publish_with_tags(site):
    """Tags travel with the publication."""
    await site.call("publish", b'{"channel":"kept:a","data":1,"tags":{"lang":"en"}}')
    (kept,) = (await site.node.hub.history("kept:a")).publications
    assert kept.tags == {"lang": "en"}


async def test_publish_binary(site):
    """`b64data` is bytes in base64, and wins over `data`."""
    await site.call("publish", b'{"channel":"blobs:a","data":1,"b64data":"AP8="}')
    (kept,) = (await site.node.hub.history("blobs:a")).publications
    assert kept.data == b"\x00\xff"


@pytest.mark.parametrize("channel", ["news", "kept:a"])
async def test_publish_twice_with_one_key(site, channel):
    """The second call with an idempotency key publishes nothing, and gets the first one's answer; other channels do."""
    reader = await site.visit("42", channel)
    body = json.dumps({"channel": channel, "data": 1, "idempotency_key": "k"}).encode()
    assert await site.call("publish", body) == await site.call("publish", body)
    await turn()
    assert [push["pub"]["data"] for push in reader.pushes if "pub" in push] == [1]
    assert result_of(await site.call("publish", b'{"channel":"kept:b","data":1,"idempotency_key":"k"}'))["offset"] == 1


async def test_publish_an_old_version(site):
    """A version that is not above the last one is not published; a new epoch of versions begins anew."""
    publications = [(2, ""), (2, ""), (1, ""), (3, ""), (1, "again")]
    for version, epoch in publications:
        body = {"channel": "kept:a", "data": [version, epoch], "version": version, "version_epoch": epoch}
        assert "offset" in result_of(await site.call("publish", json.dumps(body).encode()))
    kept = (await site.node.hub.history("kept:a")).publications
    assert [json.loads(each.data) for each in kept] == [[2, ""], [3, ""], [1, "again"]]


async def test_publish_ignores_what_it_does_not_know(site):
    """`delta` has no effect yet, unknown fields have none, and null is as good as nothing."""
    body = b'{"channel":"news","data":1,"delta":true,"future":{"a":[null]},"tags":null,"b64data":null,"version":null}'
    assert await site.call("publish", body) == DONE


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b'{"data":1}', 107, "Object missing required field channel"),
        (b'{"channel":"","data":1}', 107, "Expected str of length >= 1, at channel"),
        (b'{"channel":null,"data":1}', 107, "Expected str, got null, at channel"),
        (b'{"channel":"a","data":1,"tags":{"a":1}}', 107, "Expected str, got int, at tags[...]"),
        (b'{"channel":"a","data":1,"version":-1}', 107, "Expected int >= 0, at version"),
        (b'{"channel":"a","data":1,"version":18446744073709551616}', 107, "version: more than 64 bits"),
        (
            b'{"channel":"a","data":1,"skip_history":"no"}',
            107,
            "Expected bool | null, got str, at skip_history",
        ),
        (b'{"channel":"a"}', 107, "data is missing"),
        (b'{"channel":"a","b64data":"*"}', 107, "b64data: not base64"),
        (b'{"channel":"texts:a","b64data":"AP8="}', 107, "data is not JSON, or nests too deeply"),
        (b'{"channel":"objects:a","data":[1]}', 107, "data is not a JSON object"),
        (b'{"channel":"%s","data":1}' % (b"a" * 256), 107, "channel: a name has 1 to 255 printable ASCII characters"),
        ('{"channel":"é","data":1}'.encode(), 107, "channel: a name has 1 to 255 printable ASCII characters"),
        (b'{"channel":"nowhere:a","data":1}', 102, "unknown channel"),
    ],
)
async def test_publish_refuses(site, body, code, message):
    """What cannot be published is told with its code, and with the field where one is to blame."""
    assert error_of(await site.call("publish", body)) == (code, message)


async def test_publish_too_deep(site):
    """A payload that nests deeper than our JSON goes would end every connection that it is sent to; it is refused."""
    reader = await site.visit("42", "news")
    deep, too_deep = b"[" * 256 + b"]" * 256, b"[" * 257 + b"]" * 257
    assert await site.call("publish", b'{"channel":"news","data":' + deep + b"}") == DONE
    refusal = error_of(await site.call("publish", b'{"channel":"news","data":' + too_deep + b"}"))
    assert refusal == (107, "data: nested too deeply")
    assert reader.closed is None


async def test_publish_without_a_broker(site):
    """While the broker is away the error is one that is worth repeating."""
    await site.node.hub.stop()
    answer = json.loads(await site.call("publish", b'{"channel":"news","data":1}'))
    assert answer == {"error": {"code": 100, "message": "the broker is not running", "temporary": True}}


# broadcast


async def test_broadcast(site):
    """Every channel gets the publication, and answers for itself, in the order of the request."""
    body = b'{"channels":["news","nowhere:a","kept:a","","kept:a"],"data":1}'
    responses = result_of(await site.call("broadcast", body))["responses"]
    epoch = responses[2]["result"]["epoch"]
    assert responses == [
        {"result": {}},
        {"error": {"code": 102, "message": "unknown channel"}},
        {"result": {"offset": 1, "epoch": epoch}},
        {"error": {"code": 107, "message": "channel: a name has 1 to 255 printable ASCII characters"}},
        {"result": {"offset": 2, "epoch": epoch}},
    ]


async def test_broadcast_to_many(site):
    """A broadcast may name more channels than are published to side by side."""
    channels = [f"kept:{number}" for number in range(250)]
    body = json.dumps({"channels": channels, "b64data": "MQ==", "idempotency_key": "k"}).encode()
    responses = result_of(await site.call("broadcast", body))["responses"]
    assert [response["result"]["offset"] for response in responses] == [1] * 250
    assert result_of(await site.call("broadcast", body))["responses"] == responses


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"data":1}', "Object missing required field channels"),
        (b'{"channels":[],"data":1}', "Expected array of length >= 1, at channels"),
        (b'{"channels":[1],"data":1}', "Expected str, got int, at channels[0]"),
        (b'{"channels":["a"],"b64data":"*"}', "b64data: not base64"),
    ],
)
async def test_broadcast_refuses(site, body, message):
    """A broadcast that is wrong for all channels is one error."""
    assert error_of(await site.call("broadcast", body)) == (107, message)


# subscribe


async def test_subscribe(site):
    """Every connection of the user is subscribed and told, nobody else's."""
    first, second, other = [await site.visit(user) for user in ("42", "42", "43")]
    assert await site.call("subscribe", b'{"user":"42","channel":"news","data":{"hello":1}}') == DONE
    push = {"channel": "news", "subscribe": {"data": {"hello": 1}}}
    assert [visitor.pushes for visitor in (first, second, other)] == [[push], [push], []]
    await site.call("publish", b'{"channel":"news","data":1}')
    await turn()
    assert [visitor.pushes[-1]["pub"]["data"] for visitor in (first, second)] == [1, 1]


async def test_subscribe_one_connection(site):
    """`client` names one of the user's connections."""
    first, second = [await site.visit("42") for _ in range(2)]
    body = json.dumps({"user": "42", "channel": "news", "client": first.id, "b64data": "MQ=="})
    assert await site.call("subscribe", body.encode()) == DONE
    assert (first.pushes, second.pushes) == ([{"channel": "news", "subscribe": {"data": 1}}], [])


async def test_subscribe_with_info(site):
    """`info` is what others see of the subscriber in this channel."""
    visitor = await site.visit("42")
    await site.call("subscribe", b'{"user":"42","channel":"seen:a","info":{"vip":true}}')
    present = result_of(await site.call("presence", b'{"channel":"seen:a"}'))["presence"]
    assert present == {visitor.id: {"user": "42", "client": visitor.id, "chan_info": {"vip": True}}}


async def test_subscribe_with_override(site):
    """Options of the channel can be other ones for this subscription: here presence is left out."""
    await site.visit("42")
    body = b'{"user":"42","channel":"seen:a","override":{"presence":{"value":false},"join_leave":null,"new":{}}}'
    assert await site.call("subscribe", body) == DONE
    assert await site.call("presence", b'{"channel":"seen:a"}') == b'{"result":{"presence":{}}}'


async def test_subscribe_and_recover(site):
    """With `recover_since` the connection is handed what was published after that position."""
    visitor = await site.visit("42")
    for number in (1, 2):
        epoch = result_of(await site.call("publish", b'{"channel":"kept:a","data":%d}' % number))["epoch"]
    body = {
        "user": "42",
        "channel": "kept:a",
        "recover_since": {"offset": 1, "epoch": epoch},
        "override": {"force_recovery": {"value": True}},
    }
    assert await site.call("subscribe", json.dumps(body).encode()) == DONE
    subscribed, missed = visitor.pushes
    assert subscribed["subscribe"]["recoverable"]
    assert (missed["pub"]["data"], missed["pub"]["offset"]) == (2, 2)


async def test_subscribe_until(site):
    """At `expire_at` the subscription ends, which for one that the server began is the end of the connection."""
    visitor = await site.visit("42")
    body = json.dumps({"user": "42", "channel": "news", "expire_at": int(site.clock.now()) + 60})
    await site.call("subscribe", body.encode())
    site.clock.advance(61.0)
    visitor.peer.wake()
    assert visitor.closed == (3006, "subscription expired")


async def test_subscribe_nobody(site):
    """A user without connections, a connection of another user, and a session that nobody has are no errors."""
    visitor = await site.visit("42")
    assert await site.call("subscribe", b'{"user":"99","channel":"news"}') == DONE
    assert await site.call("subscribe", b'{"user":"42","channel":"news","session":"s"}') == DONE
    body = json.dumps({"user": "99", "channel": "news", "client": visitor.id})
    assert await site.call("subscribe", body.encode()) == DONE
    assert visitor.pushes == []


async def test_subscribe_twice(site):
    """A connection that is subscribed already stays as it is."""
    visitor = await site.visit("42", "news")
    assert await site.call("subscribe", b'{"user":"42","channel":"news"}') == DONE
    assert len(visitor.pushes) == 1


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b'{"channel":"news"}', 107, "Object missing required field user"),
        (b'{"user":"42"}', 107, "Object missing required field channel"),
        (b'{"user":42,"channel":"news"}', 107, "Expected str, got int, at user"),
        (b'{"user":"42","channel":"news","b64info":"*"}', 107, "b64info: not base64"),
        (b'{"user":"42","channel":"news","expire_at":-1}', 107, "Expected float >= 0.0, at expire_at"),
        (
            b'{"user":"42","channel":"news","expire_at":1e300}',
            107,
            "Expected float <= 4294967296.0, at expire_at",
        ),
        (
            b'{"user":"42","channel":"news","recover_since":{"offset":18446744073709551616}}',
            107,
            "recover_since.offset: more than 64 bits",
        ),
        (
            b'{"user":"42","channel":"news","override":{"presence":true}}',
            107,
            "Expected object | null, got bool, at override[...]",
        ),
        ('{"user":"42","channel":"é"}'.encode(), 107, "channel: a name has 1 to 255 printable ASCII characters"),
        (b'{"user":"42","channel":"nowhere:a"}', 102, "unknown channel"),
    ],
)
async def test_subscribe_refuses(site, body, code, message):
    """A wrong request is refused whether or not the user is there."""
    assert error_of(await site.call("subscribe", body)) == (code, message)


# unsubscribe


async def test_unsubscribe(site):
    """The user's connections leave the channel and are told."""
    visitor = await site.visit("42", "news", "kept:a")
    assert await site.call("unsubscribe", b'{"user":"42","channel":"news"}') == DONE
    gone = {"code": 2000, "reason": "server unsubscribe"}
    assert visitor.pushes[-1] == {"channel": "news", "unsubscribe": gone}
    assert site.node.hub.channels() == {"kept:a": 1}


async def test_unsubscribe_from_everything(site):
    """The empty channel is all of them; `client` names one connection."""
    first, second = [await site.visit("42", "news", "kept:a") for _ in range(2)]
    body = json.dumps({"user": "42", "channel": "", "client": first.id})
    assert await site.call("unsubscribe", body.encode()) == DONE
    assert sorted(push["channel"] for push in first.pushes if "unsubscribe" in push) == ["kept:a", "news"]
    assert [push for push in second.pushes if "unsubscribe" in push] == []


async def test_unsubscribe_nobody(site):
    """Neither an unknown user nor a session that nobody has is an error."""
    visitor = await site.visit("42", "news")
    assert await site.call("unsubscribe", b'{"user":"99","channel":"news"}') == DONE
    assert await site.call("unsubscribe", b'{"user":"42","channel":"news","session":"s"}') == DONE
    assert len(visitor.pushes) == 1


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b'{"channel":"news"}', 107, "Object missing required field user"),
        (b'{"user":"42"}', 107, "Object missing required field channel"),
        (b'{"user":"42","channel":"nowhere:a"}', 102, "unknown channel"),
    ],
)
async def test_unsubscribe_refuses(site, body, code, message):
    assert error_of(await site.call("unsubscribe", body)) == (code, message)


# disconnect


async def test_disconnect(site):
    """All connections of the user end with 3503, for good."""
    first, second, other = [await site.visit(user) for user in ("42", "42", "43")]
    assert await site.call("disconnect", b'{"user":"42"}') == DONE
    end = (3503, "force disconnect")
    assert [visitor.closed for visitor in (first, second, other)] == [end, end, None]


async def test_disconnect_with_a_code(site):
    """The application's own code and reason reach the client."""
    visitor = await site.visit("42")
    assert await site.call("disconnect", b'{"user":"42","disconnect":{"code":4501,"reason":"bye"}}') == DONE
    assert visitor.closed == (4501, "bye")


async def test_disconnect_all_but_some(site):
    """Connections on the whitelist stay, `client` names the only one to go, a session names nobody."""
    first, second, third = [await site.visit("42") for _ in range(3)]
    await site.call("disconnect", b'{"user":"42","session":"s"}')
    await site.call("disconnect", json.dumps({"user": "42", "client": first.id}).encode())
    assert [visitor.closed is None for visitor in (first, second, third)] == [False, True, True]
    await site.call("disconnect", json.dumps({"user": "42", "whitelist": [third.id]}).encode())
    assert [visitor.closed is None for visitor in (first, second, third)] == [False, False, True]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{}", "Object missing required field user"),
        (b'{"user":"42","disconnect":{}}', "Object missing required field code, at disconnect"),
        (b'{"user":"42","disconnect":{"code":2999}}', "Expected int >= 3000, at disconnect.code"),
        (b'{"user":"42","disconnect":{"code":5000}}', "Expected int <= 4999, at disconnect.code"),
        (
            b'{"user":"42","disconnect":{"code":4000,"reason":"%s"}}' % (b"a" * 124),
            "disconnect.reason: longer than 123 bytes",
        ),
    ],
)
async def test_disconnect_refuses(site, body, message):
    """Only codes that are free for servers and applications, and reasons that fit a close frame."""
    visitor = await site.visit("42")
    assert error_of(await site.call("disconnect", body)) == (107, message)
    assert visitor.closed is None


# refresh


async def test_refresh(site):
    """The user's connections live until another moment, and are told; `info` is what others see from now on."""
    visitor = await site.visit("42", "seen:a")
    body = json.dumps({"user": "42", "expire_at": int(site.clock.now()) + 60, "info": {"name": "A"}})
    assert await site.call("refresh", body.encode()) == DONE
    assert visitor.pushes[-1] == {"refresh": {"expires": True, "ttl": 60}}
    assert json.loads(visitor.peer.info) == {"name": "A"}
    site.clock.advance(61.0)
    visitor.peer.wake()
    assert visitor.closed == (3005, "connection expired")


async def test_refresh_without_an_end(site):
    """With `expire_at` 0 the connections live for ever; what is not given stays as it was, and null is not given."""
    visitor = await site.visit("42")
    await site.call("refresh", json.dumps({"user": "42", "expire_at": int(site.clock.now()) + 60}).encode())
    await site.call("refresh", b'{"user":"42","b64info":"eyJhIjoxfQ=="}')
    assert await site.call("refresh", b'{"user":"42","info":null,"expired":false,"expire_at":null}') == DONE
    assert visitor.pushes[-1] == {"refresh": {"expires": True, "ttl": 60}}
    assert visitor.peer.info == b'{"a":1}'
    await site.call("refresh", b'{"user":"42","expire_at":0}')
    assert visitor.pushes[-1] == {"refresh": {}}
    site.clock.advance(61.0)
    visitor.peer.wake()
    assert visitor.closed is None


@pytest.mark.parametrize("how", [{"expired": True}, {"expire_at": 1}])
async def test_refresh_to_the_end(site, how):
    """`expired`, or a moment that has passed, ends the connections with 3005; they may come back with a new token."""
    first, second = [await site.visit("42") for _ in range(2)]
    body = json.dumps({"user": "42", "client": first.id, **how})
    assert await site.call("refresh", body.encode()) == DONE
    assert (first.closed, second.closed) == ((3005, "connection expired"), None)


async def test_refresh_nobody(site):
    visitor = await site.visit("42")
    assert await site.call("refresh", b'{"user":"99","expired":true}') == DONE
    assert await site.call("refresh", b'{"user":"42","expired":true,"session":"s"}') == DONE
    assert visitor.closed is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{}", "Object missing required field user"),
        (b'{"user":"42","expire_at":"soon"}', "Expected float | null, got str, at expire_at"),
        (b'{"user":"42","b64info":"*"}', "b64info: not base64"),
    ],
)
async def test_refresh_refuses(site, body, message):
    assert error_of(await site.call("refresh", body)) == (107, message)


# presence and presence_stats


async def test_presence(site):
    """Who is in the channel, by connection."""
    first, second = [await site.visit("42", "seen:a") for _ in range(2)]
    present = result_of(await site.call("presence", b'{"channel":"seen:a"}'))["presence"]
    assert present == {visitor.id: {"user": "42", "client": visitor.id} for visitor in (first, second)}
    assert await site.call("presence_stats", b'{"channel":"seen:a"}') == b'{"result":{"num_clients":2,"num_users":1}}'


async def test_presence_of_nobody(site):
    """Zeros are told here: a client would wonder."""
    assert await site.call("presence", b'{"channel":"seen:a"}') == b'{"result":{"presence":{}}}'
    assert await site.call("presence_stats", b'{"channel":"seen:a"}') == b'{"result":{"num_clients":0,"num_users":0}}'


async def test_presence_with_binary_info(site):
    """Info that is not JSON is told in base64."""
    visitor = await site.visit("42")
    await site.call("subscribe", b'{"user":"42","channel":"seen:a","b64info":"AP8="}')
    present = result_of(await site.call("presence", b'{"channel":"seen:a"}'))["presence"]
    assert present == {visitor.id: {"user": "42", "client": visitor.id, "b64chan_info": "AP8="}}


# history and history_remove


async def test_history(site):
    """`limit` 0 or none is the position alone, -1 is everything; `since` is exclusive."""
    for number in (1, 2, 3):
        await site.call("publish", b'{"channel":"kept:a","data":%d}' % number)
    empty = result_of(await site.call("history", b'{"channel":"kept:a"}'))
    assert empty == {"publications": [], "offset": 3, "epoch": empty["epoch"]}
    assert result_of(await site.call("history", b'{"channel":"kept:a","limit":0}')) == empty

    async def read(**how: Any) -> list[int]:
        result = result_of(await site.call("history", json.dumps({"channel": "kept:a", **how}).encode()))
        assert (result["offset"], result["epoch"]) == (3, empty["epoch"])
        return [publication["offset"] for publication in result["publications"]]

    assert await read(limit=-1) == [1, 2, 3]
    assert await read(limit=2) == [1, 2]
    assert await read(limit=2, reverse=True) == [3, 2]
    assert await read(limit=-1, since={"offset": 1, "epoch": empty["epoch"]}) == [2, 3]
    assert await read(limit=-1, since={"offset": 2}, reverse=True) == [1]


async def test_history_of_nothing(site):
    """An empty stream has an epoch already, and its zeros are told."""
    epoch = (await site.node.hub.history("kept:a")).top.epoch.encode()
    expected = b'{"result":{"publications":[],"offset":0,"epoch":"%s"}}' % epoch
    assert await site.call("history", b'{"channel":"kept:a","limit":-1}') == expected


async def test_history_tells_all_of_a_publication(site):
    """Data as it was posted, offset, tags. Line breaks in the data, where they mean nothing, are spaces."""
    await site.call("publish", b'{"channel":"kept:a","data":{ "a":\n1.0},"tags":{"lang":"en"}}')
    answer = await site.call("history", b'{"channel":"kept:a","limit":1}')
    assert b'{"publications":[{"data":{ "a": 1.0},"offset":1,"tags":{"lang":"en"}}],"offset":1,"epoch":"' in answer


async def test_history_tells_who_published(site):
    """A client's publication names the client."""
    visitor = await site.visit("42")
    await visitor.tell({"id": 2, "publish": {"channel": "open:a", "data": 1}})
    (kept,) = result_of(await site.call("history", b'{"channel":"open:a","limit":1}'))["publications"]
    assert kept == {"data": 1, "offset": 1, "info": {"user": "42", "client": visitor.id}}


@pytest.mark.parametrize("data", [b"\x00\xff", b""])
async def test_history_of_binary_data(site, data):
    """Data that is not JSON is told in base64."""
    encoded = base64.b64encode(data).decode()
    await site.call("publish", json.dumps({"channel": "blobs:a", "b64data": encoded}).encode())
    (kept,) = result_of(await site.call("history", b'{"channel":"blobs:a","limit":1}'))["publications"]
    assert kept == {"data": None, "offset": 1} | ({"b64data": encoded} if data else {})


async def test_history_of_another_epoch(site):
    """A position in a stream that is no more cannot be gone on from."""
    answer = await site.call("history", b'{"channel":"kept:a","limit":1,"since":{"offset":1,"epoch":"gone"}}')
    assert error_of(answer) == (112, "unrecoverable position")


async def test_history_remove(site):
    """What was kept goes; the epoch stays and offsets go on."""
    before = result_of(await site.call("publish", b'{"channel":"kept:a","data":1}'))
    assert await site.call("history_remove", b'{"channel":"kept:a"}') == DONE
    after = result_of(await site.call("history", b'{"channel":"kept:a","limit":-1}'))
    assert after == {"publications": [], **before}


@pytest.mark.parametrize("method", ["presence", "presence_stats", "history", "history_remove"])
@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"{}", 107, "Object missing required field channel"),
        (b'{"channel":""}', 107, "Expected str of length >= 1, at channel"),
        (b'{"channel":["a"]}', 107, "Expected str, got array, at channel"),
        (b'{"channel":"nowhere:a"}', 102, "unknown channel"),
        (b'{"channel":"news"}', 108, "not available"),
    ],
)
async def test_a_channel_has_to_be_told(site, method, body, code, message):
    """What is asked of one channel needs its name, a namespace that is known, and the feature switched on."""
    assert error_of(await site.call(method, body)) == (code, message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"channel":"kept:a","limit":2147483648}', "Expected int <= 2147483647, at limit"),
        (b'{"channel":"kept:a","since":{"offset":-1}}', "Expected int >= 0, at since.offset"),
        (b'{"channel":"kept:a","since":{"offset":18446744073709551616}}', "since.offset: more than 64 bits"),
        (b'{"channel":"kept:a","reverse":1}', "Expected bool | null, got int, at reverse"),
    ],
)
async def test_history_refuses(site, body, message):
    assert error_of(await site.call("history", body)) == (107, message)


# channels


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{}", {"news": 2, "kept:a": 1, "kept:b": 1}),
        (b'{"pattern":""}', {"news": 2, "kept:a": 1, "kept:b": 1}),
        (b'{"pattern":"kept:*"}', {"kept:a": 1, "kept:b": 1}),
        (b'{"pattern":"*:?"}', {"kept:a": 1, "kept:b": 1}),
        (b'{"pattern":"*[!a]"}', {"news": 2, "kept:b": 1}),
        (b'{"pattern":"NEWS"}', {}),
        (b'{"pattern":"[z-a"}', {}),
    ],
)
async def test_channels(site, body, expected):
    """Channels with subscribers and how many they have; a pattern chooses among them."""
    await site.visit("42", "news", "kept:a")
    await site.visit("43", "news", "kept:b")
    await site.call("publish", b'{"channel":"kept:c","data":1}')
    channels = result_of(await site.call("channels", body))["channels"]
    assert channels == {channel: {"num_clients": number} for channel, number in expected.items()}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"pattern":1}', "Expected str | null, got int, at pattern"),
        (b'{"pattern":"%s"}' % (b"*a" * 600), "Expected str of length <= 1024, at pattern"),
    ],
)
async def test_channels_refuses(site, body, message):
    assert error_of(await site.call("channels", body)) == (107, message)


# info


async def test_info(site):
    """One node: who it is and what it carries."""
    for user in ("42", "42", "43"):
        await site.visit(user, "news")
    site.clock.advance(90.5)
    assert result_of(await site.call("info", b"{}")) == {
        "nodes": [
            {
                "uid": site.node.id,
                "name": "here",
                "version": "1.2.3",
                "num_clients": 3,
                "num_users": 2,
                "num_channels": 1,
                "num_subs": 3,
                "uptime": 90,
            }
        ]
    }


async def test_info_of_an_empty_node(site):
    """Zeros are told, but for the uptime."""
    expected = b'"version":"1.2.3","num_clients":0,"num_users":0,"num_channels":0,"num_subs":0}]}}'
    assert (await site.call("info", b"{}")).endswith(expected)


# rpc


async def test_rpc(site):
    """A registered method gets the parameters as they were posted, and answers with data."""

    async def echo(params: bytes) -> bytes:
        return b'{"you":%s}' % params

    site.rpc["echo"] = echo
    assert (
        await site.call("rpc", b'{"method":"echo","params":[1.0, null]}') == b'{"result":{"data":{"you":[1.0, null]}}}'
    )


async def test_rpc_without_parameters_or_data(site):
    """Both may be left out."""

    async def nothing(params: bytes) -> bytes:
        return params

    site.rpc["nothing"] = nothing
    assert await site.call("rpc", b'{"method":"nothing"}') == DONE


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"{}", 107, "Object missing required field method"),
        (b'{"method":""}', 107, "Expected str of length >= 1, at method"),
        (b'{"method":"unknown"}', 104, "method not found"),
    ],
)
async def test_rpc_refuses(site, body, code, message):
    assert error_of(await site.call("rpc", body)) == (code, message)


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (TidingsError("sold out", code=1000), b'{"error":{"code":1000,"message":"sold out"}}'),
        (TooManyRequests(), b'{"error":{"code":111,"message":"too many requests","temporary":true}}'),
    ],
)
async def test_rpc_that_refuses(site, refuses, error, answer):
    """A handler's own error is told as it is."""
    site.rpc["refuse"] = refuses(error)
    assert await site.call("rpc", b'{"method":"refuse"}') == answer


async def test_an_unexpected_failure(site, refuses):
    """Whatever else goes wrong is error 100 to the peer, without a word of what it was, and a fact for the operator."""
    site.rpc["broken"] = refuses(failure := ZeroDivisionError("secret"))
    expected = b'{"error":{"code":100,"message":"internal server error","temporary":true}}'
    assert await site.call("rpc", b'{"method":"broken"}') == expected
    assert site.facts[0] == events.CommandFailed("api.rpc", "", failure)


async def test_rpc_that_answers_nonsense(site):
    """Data that is not JSON would spoil the answer; that is the handler's failure."""

    async def nonsense(params: bytes) -> bytes:
        return b"{"

    site.rpc["nonsense"] = nonsense
    assert error_of(await site.call("rpc", b'{"method":"nonsense"}')) == (100, "internal server error")
