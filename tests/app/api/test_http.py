"""The HTTP API as HTTP: who is let in, what is read, and how errors are told."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.app.api import description
from tidings.app.api.http import BODY_LIMIT_BYTES, STATUSES
from tidings.app.api.requests import REQUESTS
from tidings.errors import TidingsError

pytestmark = pytest.mark.shell

METHODS = [*REQUESTS, "batch"]
KEY = (b"x-api-key", b"a key of the tests")
TRANSPORT = (b"x-centrifugo-error-mode", b"transport")


# Who is let in.


@pytest.mark.parametrize("path", ["/api/publish", "/api/batch", "/api/nothing", "/api"])
@pytest.mark.parametrize("headers", [[], [(b"x-api-key", b"wrong")], [(b"x-api-key", b"\xff")]])
async def test_without_the_key(site, path, headers):
    """Nothing is told to whoever does not have the key, and nothing is read."""
    reply = await site.exchange("POST", path, [], headers)
    assert (reply.status, reply.body) == (401, b"This needs the API key, as X-API-Key.")
    assert reply.headers[b"content-type"] == b"text/plain; charset=utf-8"
    assert reply.headers[b"www-authenticate"] == b"apikey"


@pytest.mark.parametrize(
    ("headers", "query"),
    [([KEY], b""), ([(b"authorization", b"apikey " + KEY[1])], b""), ([], b"api_key=a+key+of+the+tests")],
)
async def test_with_the_key(site, headers, query):
    """Header, Authorization or query."""
    reply = await site.request("POST", "/api/publish", [b'{"channel":"news","data":1}'], headers, query)
    assert (reply.status, reply.body) == (200, b'{"result":{}}')


async def test_no_key_is_set(open_site):
    """Then nobody is let in, unless the API is insecure."""
    async with open_site(key="") as site:
        assert (await site.request("POST", "/api/info", [b"{}"], [(b"x-api-key", b"")])).status == 401
    async with open_site(key="", insecure=True) as site:
        assert (await site.request("POST", "/api/info", [b"{}"])).status == 200


async def test_the_description_is_served_without_the_key(site):
    """It holds no secret."""
    reply = await site.request("GET", description.PATH)
    assert (reply.status, reply.headers[b"content-type"]) == (200, b"application/json")
    assert json.loads(reply.body) == description.described()
    assert KEY[1] not in reply.body


# What is read.


@pytest.mark.parametrize("path", ["/api/publish", "/api/batch", "/api"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS"])
async def test_only_post(site, path, method):
    reply = await site.request(method, path, headers=[KEY])
    assert (reply.status, reply.headers[b"allow"]) == (405, b"POST")


async def test_unknown_method(site):
    reply = await site.post("/api/connections", b"{}")
    assert (reply.status, reply.body) == (404, b"The API has no method of this name.")


@pytest.mark.parametrize("path", ["/api/publish", "/api/info", "/api/batch", "/api"])
@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", b"The body is not JSON: Input data was truncated."),
        (b"{]", b"The body is not JSON: JSON is malformed: object keys must be strings (byte 1)."),
        (b"[]", b"The body is not a JSON object: Expected object, got array."),
        (b'{"data":"\xff"}', b"The body is not UTF-8: invalid start byte at byte 9."),
        (b'{"data":%s}' % (b"[" * 100_000), b"The body is nested too deeply."),
    ],
)
async def test_undecodable(site, path, body, sentence):
    """A body that is no JSON object is refused in one sentence, in either error mode."""
    for headers in ([], [TRANSPORT]):
        reply = await site.post(path, body, *headers)
        assert (reply.status, reply.headers[b"content-type"]) == (400, b"text/plain; charset=utf-8")
        assert reply.body == sentence


async def test_a_body_in_pieces(site):
    """The body is whole before it is read."""
    reply = await site.request("POST", "/api/publish", [b'{"channel":"ne', b"", b'ws","data":', b"1}"], [KEY])
    assert reply.body == b'{"result":{}}'


async def test_a_client_that_hangs_up(site):
    """Half a request is no request."""
    half = {"type": "http.request", "body": b'{"channel":"news","data":1}', "more_body": True}
    reply = await site.exchange("POST", "/api/publish", [half], [KEY])
    assert (reply.status, site.facts) == (0, [])


async def test_the_longest_body(site):
    """8 MiB are read, one byte more is not, whatever comes after it."""
    body = b'{"channel":"news","data":""}'
    filled = body[:-2] + b"a" * (BODY_LIMIT_BYTES - len(body)) + body[-2:]
    assert (await site.post("/api/publish", filled)).body == b'{"result":{}}'
    endless = {"type": "http.request", "body": filled + b" ", "more_body": True}
    reply = await site.exchange("POST", "/api/publish", [endless], [KEY])
    assert (reply.status, reply.body) == (413, b"The body is longer than 8388608 bytes.")


async def test_the_content_type_does_not_matter(site):
    reply = await site.post("/api/info", b"{}", (b"content-type", b"application/x-www-form-urlencoded"))
    assert reply.status == 200


# How errors are told.


FAILURES = [
    ("publish", b'{"channel":"nowhere:a","data":1}', 404, b'{"code":102,"message":"unknown channel"}'),
    ("rpc", b'{"method":"unknown"}', 404, b'{"code":104,"message":"method not found"}'),
    ("publish", b'{"channel":"news"}', 400, b'{"code":107,"message":"data is missing"}'),
    ("presence", b"{}", 400, b'{"code":107,"message":"Object missing required field channel"}'),
    ("batch", b"{}", 400, b'{"code":107,"message":"Object missing required field commands"}'),
    ("presence", b'{"channel":"news"}', 400, b'{"code":108,"message":"not available"}'),
    (
        "history",
        b'{"channel":"kept:a","since":{"offset":1,"epoch":"gone"}}',
        416,
        b'{"code":112,"message":"unrecoverable position"}',
    ),
]


@pytest.mark.parametrize(("method", "body", "status", "error"), FAILURES)
async def test_error_modes(site, open_site, method, body, status, error):
    """An error is inside of an answer with status 200, or with the header or the setting is the answer itself."""
    reply = await site.post(f"/api/{method}", body)
    assert (reply.status, reply.body) == (200, b'{"error":%s}' % error)
    reply = await site.post(f"/api/{method}", body, TRANSPORT)
    assert (reply.status, reply.body, reply.headers[b"content-type"]) == (status, error, b"application/json")
    async with open_site(error_mode="transport") as other:
        reply = await other.post(f"/api/{method}", body)
        assert (reply.status, reply.body) == (status, error)


@pytest.mark.parametrize(("code", "status"), [*STATUSES.items(), (106, 400), (1000, 400)])
async def test_statuses(site, refuses, code, status):
    """Each code has its status; those that are applications' own are the request's fault."""
    site.rpc["refuse"] = refuses(TidingsError("no", code=code, temporary=True))
    reply = await site.post("/api/rpc", b'{"method":"refuse"}', TRANSPORT)
    assert (reply.status, json.loads(reply.body)) == (status, {"code": code, "message": "no", "temporary": True})


async def test_results_in_transport_mode(site):
    """What succeeds, or fails in part, is told in the same way in both modes."""
    reply = await site.post("/api/publish", b'{"channel":"news","data":1}', TRANSPORT)
    assert (reply.status, reply.body) == (200, b'{"result":{}}')
    reply = await site.post("/api/broadcast", b'{"channels":["nowhere:a"],"data":1}', TRANSPORT)
    assert reply.status == 200
    reply = await site.post("/api/batch", b'{"commands":[{"rpc":{}}]}', TRANSPORT)
    assert reply.status == 200


async def test_another_error_mode_is_none(site):
    reply = await site.post("/api/presence", b"{}", (b"x-centrifugo-error-mode", b"reply"))
    assert reply.status == 200


# The single endpoint.


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b'{"method":"publish","params":{"channel":"news","data":1}}', b'{"result":{}}'),
        (b'{"method":"channels"}', b'{"result":{"channels":{}}}'),
        (
            b'{"method":"presence","params":{"channel":"nowhere:a"}}',
            b'{"error":{"code":102,"message":"unknown channel"}}',
        ),
        (b'{"method":"presence"}', b'{"error":{"code":107,"message":"Object missing required field channel"}}'),
        (b'{"method":"connections"}', b'{"error":{"code":104,"message":"method not found"}}'),
        (b'{"params":{}}', b'{"error":{"code":107,"message":"Object missing required field method"}}'),
        (
            b'{"method":"info","params":[]}',
            b'{"error":{"code":107,"message":"params: not a JSON object: Expected object, got array"}}',
        ),
    ],
)
async def test_the_method_in_the_body(site, body, answer):
    """`/api` takes the method's name and its parameters in one object."""
    reply = await site.post("/api", body)
    assert (reply.status, reply.body) == (200, answer)


async def test_the_method_in_the_body_in_transport_mode(site):
    reply = await site.post("/api", b'{"method":"presence","params":{"channel":"nowhere:a"}}', TRANSPORT)
    assert (reply.status, reply.body) == (404, b'{"code":102,"message":"unknown channel"}')


# Whatever comes.

FIELDS = sorted({field for request in REQUESTS.values() for field in request.__struct_fields__} | {*REQUESTS, "code"})

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["42", "news", "kept:a", "seen:a", "nowhere:a", "*", "AP8=", "unknown"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.sampled_from(FIELDS), inner, max_size=3),
    max_leaves=8,
)
plausible = {
    "user": st.sampled_from(["42", "43", ""]),
    "channel": st.sampled_from(["news", "kept:a", "seen:a", "objects:a", "blobs:a", "nowhere:a", "", "é"]),
    "channels": st.lists(st.sampled_from(["news", "kept:a", ""]), max_size=2),
    "limit": st.integers(-2, 3),
    "expire_at": st.integers(-1, 2**33) | st.floats(0, 2**32),
    "disconnect": st.fixed_dictionaries({"code": st.integers(2999, 5000)}, optional={"reason": st.text()}),
    "since": st.fixed_dictionaries({}, optional={"offset": st.integers(0, 2**64), "epoch": st.text(max_size=2)}),
    "b64data": st.sampled_from(["", "AP8=", "MQ==", "*"]),
    "method": st.sampled_from(["echo", "unknown"]),
}
plausible["recover_since"] = plausible["since"]


def request(method: str) -> st.SearchStrategy[object]:
    """A request that is right in some of its fields."""
    if method == "batch":
        command = st.sampled_from(list(REQUESTS)).flatmap(lambda name: st.fixed_dictionaries({name: request(name)}))
        commands = st.lists(command | anything, max_size=3)
        return st.fixed_dictionaries({"commands": commands}, optional={"parallel": st.booleans() | anything})
    fields = {field: plausible.get(field, anything) | anything for field in REQUESTS[method].__struct_fields__}
    return st.fixed_dictionaries({}, optional=fields)


class TestWhateverComes:
    """No body makes the API fail: it answers, or says in what way the request is wrong."""

    @staticmethod
    async def _post(open_site, method: str, body: bytes) -> None:
        async def echo(params: bytes) -> bytes:
            return params

        async with open_site() as site:
            site.rpc["echo"] = echo
            visitor = await site.visit("42", "seen:a")
            for path, posted in [
                (f"/api/{method}", body),
                ("/api", b'{"method":"%s","params":%s}' % (method.encode(), body)),
            ]:
                reply = await site.post(path, posted)
                assert reply.status in (200, 400)
                if reply.status == 200:
                    assert b'"code":100,' not in reply.body
                    assert json.loads(reply.body)
            assert visitor.closed is None or 3000 <= visitor.closed[0] <= 4999
            assert not [fact for fact in site.facts if "Failed" in type(fact).__name__]

    @given(st.sampled_from(METHODS).flatmap(lambda method: st.tuples(st.just(method), anything | request(method))))
    def test_any_json(self, open_site, case):
        method, value = case
        asyncio.run(self._post(open_site, method, json.dumps(value).encode()))

    @given(st.sampled_from(METHODS), st.binary() | st.text(alphabet='{}[]":,\\u0d8e1-.ntf ').map(str.encode))
    def test_any_bytes(self, open_site, method, body):
        asyncio.run(self._post(open_site, method, body))
