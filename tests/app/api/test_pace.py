"""How often one address may use the HTTP API, and what the answers say about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from tidings import events
from tidings.gateway.admission import Rate

pytestmark = pytest.mark.shell

Open = Callable[..., AbstractAsyncContextManager[Any]]

THREE = Rate(3, 10.0)
PUBLISH = b'{"channel":"a","data":1}'


def said(reply: Any) -> dict[str, str]:
    """What an answer says about the limit."""
    return {
        name.decode(): value.decode()
        for name, value in reply.headers.items()
        if name.startswith(b"ratelimit") or name == b"retry-after"
    }


def fields(remaining: int, reset: int) -> dict[str, str]:
    return {
        "ratelimit-policy": '"api";q=3;w=10',
        "ratelimit": f'"api";r={remaining};t={reset}',
        "ratelimit-limit": "3",
        "ratelimit-remaining": f"{remaining}",
        "ratelimit-reset": f"{reset}",
    }


async def test_answers_say_what_is_left(open_site: Open) -> None:
    """The successful ones as well."""
    async with open_site(rate=THREE) as site:
        assert said(await site.post("/api/publish", PUBLISH)) == fields(2, 10)
        site.clock.advance(4.5)
        assert said(await site.post("/api/info", b"{}")) == fields(1, 6)


async def test_one_too_many_is_429(open_site: Open) -> None:
    """With the seconds after which the next will do; then it does."""
    async with open_site(rate=THREE) as site:
        for _ in range(3):
            assert (await site.post("/api/publish", PUBLISH)).status == 200
            site.clock.advance(1.0)
        refused = await site.post("/api/publish", PUBLISH)
        assert (refused.status, refused.body) == (429, b"Too many requests from this address.")
        assert said(refused) == {**fields(0, 7), "retry-after": "8"}
        assert [fact for fact in site.facts if isinstance(fact, events.RateLimited)] == [
            events.RateLimited("api_requests", address="192.0.2.1")
        ]
        site.clock.advance(8.0)
        assert (await site.post("/api/publish", PUBLISH)).status == 200


async def test_addresses_are_apart(open_site: Open) -> None:
    async with open_site(rate=THREE) as site:
        for address in ("192.0.2.1", "2001:db8::1"):
            site.client = (address, 1)
            statuses = [(await site.post("/api/publish", PUBLISH)).status for _ in range(4)]
            assert statuses == [200, 200, 200, 429]
        site.client = ("2001:db8::2", 1)  # of the same network
        assert (await site.post("/api/publish", PUBLISH)).status == 429


async def test_who_has_no_address_is_not_limited(open_site: Open) -> None:
    async with open_site(rate=THREE) as site:
        site.client = None
        replies = [await site.post("/api/publish", PUBLISH) for _ in range(5)]
        assert [(reply.status, said(reply)) for reply in replies] == [(200, {})] * 5


async def test_guessing_keys_is_limited_too(open_site: Open) -> None:
    async with open_site(rate=THREE) as site:
        statuses = [
            (await site.request("POST", "/api/publish", [PUBLISH], [(b"x-api-key", b"%d" % guess)])).status
            for guess in range(4)
        ]
        assert statuses == [401, 401, 401, 429]


async def test_what_fails_says_it_as_well(open_site: Open) -> None:
    async with open_site(rate=THREE) as site:
        assert said(await site.post("/api/nothing", b"{}")) == fields(2, 10)
        assert said(await site.post("/api/publish", b"nonsense")) == fields(1, 10)


@pytest.mark.parametrize("parallel", [False, True])
async def test_each_command_of_a_batch_counts(open_site: Open, parallel: bool) -> None:
    """Those that are too many are answered with 111, and the others are carried out."""
    async with open_site(rate=THREE) as site:
        commands = [{"publish": {"channel": "a", "data": number}} for number in range(5)]
        reply = await site.post("/api/batch", json.dumps({"commands": commands, "parallel": parallel}).encode())
        refused = {"error": {"code": 111, "message": "too many requests", "temporary": True}}
        assert json.loads(reply.body)["replies"] == [*[{"publish": {}}] * 3, refused, refused]
        assert said(reply) == fields(0, 10)
        assert (await site.post("/api/publish", PUBLISH)).status == 429


async def test_without_a_limit_nothing_is_said(site: Any) -> None:
    assert said(await site.post("/api/publish", PUBLISH)) == {}
