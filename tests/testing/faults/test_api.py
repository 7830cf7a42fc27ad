"""Toxiproxy's HTTP API, called as an ASGI application: fields, status codes, and what bad input gets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from tests.testing.faults.echo import Echo, calling, echoing

from tidings.testing.faults import toxiproxy_api

pytestmark = pytest.mark.shell


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    async with echoing() as echo:
        yield echo


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    app = toxiproxy_api()
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://toxiproxy") as client:
            yield client


@pytest.fixture
async def proxy(client: httpx2.AsyncClient, echo: Echo) -> dict[str, Any]:
    made = await client.post("/proxies", json={"name": "echo", "listen": "127.0.0.1:0", "upstream": echo.address})
    assert made.status_code == 201
    return dict(made.json())


async def test_a_proxy_from_beginning_to_end(client: httpx2.AsyncClient, echo: Echo, proxy: dict[str, Any]):
    listen = proxy["listen"]
    assert proxy == {"name": "echo", "listen": listen, "upstream": echo.address, "enabled": True, "toxics": []}
    async with calling(listen) as caller:
        assert await caller.ask(b"x") == b"x"
    assert (await client.get("/proxies")).json() == {"echo": proxy}
    assert (await client.get("/proxies/echo")).json() == proxy
    gone = await client.delete("/proxies/echo")
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await client.get("/proxies")).json() == {}
    with pytest.raises(ConnectionRefusedError):
        async with calling(listen):
            pass


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_disabled_and_enabled(client: httpx2.AsyncClient, proxy: dict[str, Any], method: str):
    """With the whole proxy in the body, as some clients send it, or with the field alone."""
    down = await client.request(method, "/proxies/echo", json={**proxy, "enabled": False})
    assert (down.status_code, down.json()) == (200, {**proxy, "enabled": False})
    with pytest.raises(ConnectionRefusedError):
        async with calling(proxy["listen"]):
            pass
    assert (await client.request(method, "/proxies/echo", json={"enabled": True})).json() == proxy
    async with calling(proxy["listen"]) as caller:
        assert await caller.ask(b"x") == b"x"


async def test_another_upstream(client: httpx2.AsyncClient, proxy: dict[str, Any]):
    """On the same port and with the same toxics."""
    await client.post("/proxies/echo/toxics", json={"type": "latency", "attributes": {"latency": 1}})
    async with echoing() as other:
        moved = (await client.post("/proxies/echo", json={"upstream": other.address})).json()
        assert (moved["upstream"], moved["listen"]) == (other.address, proxy["listen"])
        assert [toxic["name"] for toxic in moved["toxics"]] == ["latency_downstream"]
        async with calling(moved["listen"]) as caller:
            assert await caller.ask(b"x") == b"x"
        assert other.received == b"x"


async def test_a_toxic_from_beginning_to_end(client: httpx2.AsyncClient, proxy: dict[str, Any]):
    wanted = {"type": "latency", "attributes": {"latency": 5, "jitter": 1}}
    made = await client.post("/proxies/echo/toxics", json=wanted)
    toxic = {"name": "latency_downstream", "stream": "downstream", "toxicity": 1.0, **wanted}
    assert (made.status_code, made.json()) == (200, toxic)
    assert (await client.get("/proxies/echo/toxics")).json() == [toxic]
    assert (await client.get("/proxies/echo/toxics/latency_downstream")).json() == toxic
    assert (await client.get("/proxies/echo")).json() == {**proxy, "toxics": [toxic]}
    changed = await client.post(
        "/proxies/echo/toxics/latency_downstream", json={"attributes": {"latency": 7}, "toxicity": 0.5}
    )
    assert changed.json() == {**toxic, "toxicity": 0.5, "attributes": {"latency": 7, "jitter": 1}}
    assert (await client.delete("/proxies/echo/toxics/latency_downstream")).status_code == 204
    assert (await client.get("/proxies/echo/toxics")).json() == []


async def test_a_toxic_works(client: httpx2.AsyncClient, proxy: dict[str, Any]):
    async with calling(proxy["listen"]) as caller:
        await caller.ask(b"x")
        limit = {"name": "a", "type": "limit_data", "stream": "upstream", "attributes": {"bytes": 3}}
        await client.post("/proxies/echo/toxics", json=limit)
        caller.writer.write(b"abcdef")
        assert await caller.end() in ("finished", "reset")


async def test_reset_removes_toxics_and_enables(client: httpx2.AsyncClient, proxy: dict[str, Any]):
    await client.post("/proxies/echo/toxics", json={"type": "blackhole"})
    await client.post("/proxies/echo", json={"enabled": False})
    assert (await client.post("/reset")).status_code == 204
    assert (await client.get("/proxies/echo")).json() == proxy


async def test_populate_creates_and_keeps(client: httpx2.AsyncClient, echo: Echo, proxy: dict[str, Any]):
    """A proxy with the same addresses stays, with its toxics; another is replaced."""
    await client.post("/proxies/echo/toxics", json={"type": "latency", "attributes": {"latency": 1}})
    same = {"name": "echo", "listen": proxy["listen"], "upstream": echo.address}
    new = {"name": "new", "listen": "127.0.0.1:0", "upstream": echo.address, "enabled": False}
    made = await client.post("/populate", json=[same, new])
    assert made.status_code == 201
    first, second = made.json()["proxies"]
    assert (first["listen"], len(first["toxics"])) == (proxy["listen"], 1)
    assert (second["name"], second["enabled"]) == ("new", False)
    (again,) = (await client.post("/populate", json=[{**same, "listen": "127.0.0.1:0"}])).json()["proxies"]
    assert (again["name"], again["toxics"]) == ("echo", [])


async def test_the_version(client: httpx2.AsyncClient):
    assert (await client.get("/version")).json() == {"version": "2.9.0"}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error"),
    [
        ("POST", "/proxies", {"upstream": "a:1"}, 400, "missing required field: name"),
        ("POST", "/proxies", {"name": "a"}, 400, "missing required field: upstream"),
        ("POST", "/proxies", {"name": "echo", "upstream": "a:1"}, 409, "proxy already exists"),
        ("POST", "/proxies", {"name": 5}, 400, "bad request body: Expected `str`, got `int` - at `$.name`"),
        ("POST", "/proxies", "{", 400, "bad request body: Input data was truncated"),
        (
            "POST",
            "/proxies",
            {"name": "a", "upstream": "nowhere"},
            400,
            "'nowhere' is no address: write host:port, such as 127.0.0.1:6379, or a URL with them.",
        ),
        ("POST", "/populate", [{"upstream": "a:1"}], 400, "missing required field: name at proxy 1"),
        ("GET", "/proxies/none", None, 404, "proxy not found"),
        ("POST", "/proxies/none", {}, 404, "proxy not found"),
        ("DELETE", "/proxies/none", None, 404, "proxy not found"),
        ("GET", "/proxies/none/toxics", None, 404, "proxy not found"),
        ("GET", "/proxies/echo/toxics/none", None, 404, "toxic not found"),
        ("POST", "/proxies/echo/toxics/none", {}, 404, "toxic not found"),
        ("DELETE", "/proxies/echo/toxics/none", None, 404, "toxic not found"),
        (
            "POST",
            "/proxies/echo/toxics",
            {"type": "flood"},
            400,
            "invalid toxic type: 'flood' is none of latency, bandwidth, slow_close, timeout, reset_peer, slicer, "
            "limit_data, blackhole, corrupt",
        ),
        (
            "POST",
            "/proxies/echo/toxics",
            {"type": "latency", "stream": "sideways"},
            400,
            "stream was invalid, can be either upstream or downstream",
        ),
        (
            "POST",
            "/proxies/echo/toxics",
            {"type": "bandwidth"},
            400,
            "bad request body: Object missing required field `rate`",
        ),
        (
            "POST",
            "/proxies/echo/toxics",
            {"type": "latency", "attributes": {"latency": -1}},
            400,
            "bad request body: latency and jitter are milliseconds from 0 on",
        ),
        (
            "POST",
            "/proxies/echo/toxics",
            {"type": "latency", "toxicity": 2},
            400,
            "The toxicity is a share of the connections from 0 to 1, not 2.0.",
        ),
    ],
)
async def test_bad_input(
    client: httpx2.AsyncClient, proxy: dict[str, Any], method: str, path: str, body: Any, status: int, error: str
):
    content = {"content": body} if isinstance(body, str) else {"json": body}
    answer = await client.request(method, path, **content)
    assert answer.json() == {"error": error, "status": status}
    assert answer.status_code == status


async def test_names_and_ports_are_given_once(client: httpx2.AsyncClient, echo: Echo, proxy: dict[str, Any]):
    toxic = {"type": "latency", "attributes": {"latency": 1}}
    await client.post("/proxies/echo/toxics", json=toxic)
    assert (await client.post("/proxies/echo/toxics", json=toxic)).json() == {
        "error": "toxic already exists",
        "status": 409,
    }
    taken = await client.post("/proxies", json={"name": "b", "listen": echo.address, "upstream": echo.address})
    assert taken.status_code == 500
    assert taken.json()["error"] == f"The proxy cannot listen on {echo.address}: Address already in use."
    assert (await client.get("/proxies/b")).status_code == 404


async def test_a_proxy_that_cannot_be_moved_stays_where_it_is(
    client: httpx2.AsyncClient, echo: Echo, proxy: dict[str, Any]
):
    """With its connections and its toxics; a taken port is answered with 500, as by Toxiproxy."""
    await client.post("/proxies/echo/toxics", json={"type": "latency", "attributes": {"latency": 1}})
    before = (await client.get("/proxies/echo")).json()
    async with calling(proxy["listen"]) as caller:
        await caller.ask(b"x")
        taken = await client.post("/proxies/echo", json={"listen": echo.address})
        error = f"The proxy cannot listen on {echo.address}: Address already in use."
        assert (taken.status_code, taken.json()) == (500, {"error": error, "status": 500})
        assert (await client.get("/proxies/echo")).json() == before
        assert await caller.ask(b"y") == b"y"
    async with calling(proxy["listen"]) as caller:
        assert await caller.ask(b"z") == b"z"


async def test_a_proxy_that_is_down_stays_down_when_it_cannot_be_moved(
    client: httpx2.AsyncClient, echo: Echo, proxy: dict[str, Any]
):
    await client.post("/proxies/echo", json={"enabled": False})
    assert (await client.post("/proxies/echo", json={"listen": echo.address})).status_code == 500
    assert (await client.get("/proxies/echo")).json() == {**proxy, "enabled": False}


async def test_another_place_to_listen(client: httpx2.AsyncClient, proxy: dict[str, Any]):
    """Its toxics move along, and at the old place nobody listens any more."""
    await client.post("/proxies/echo/toxics", json={"type": "latency", "attributes": {"latency": 1}})
    moved = (await client.patch("/proxies/echo", json={"listen": "127.0.0.1:0"})).json()
    assert moved["listen"] != proxy["listen"]
    assert [toxic["name"] for toxic in moved["toxics"]] == ["latency_downstream"]
    async with calling(moved["listen"]) as caller:
        assert await caller.ask(b"x") == b"x"
    with pytest.raises(ConnectionRefusedError):
        async with calling(proxy["listen"]):
            pass


async def test_the_same_port_on_all_hosts(client: httpx2.AsyncClient, proxy: dict[str, Any]):
    """Its own listener is no obstacle."""
    port = proxy["listen"].rpartition(":")[2]
    moved = await client.post("/proxies/echo", json={"listen": f"0.0.0.0:{port}"})
    assert (moved.status_code, moved.json()["listen"]) == (200, f"0.0.0.0:{port}")
    async with calling(proxy["listen"]) as caller:
        assert await caller.ask(b"x") == b"x"


async def test_populate_tells_what_it_made_before_it_failed(
    client: httpx2.AsyncClient, echo: Echo, proxy: dict[str, Any]
):
    """And what cannot be replaced stays."""
    wanted = [
        {"name": "new", "listen": "127.0.0.1:0", "upstream": echo.address},
        {"name": "echo", "listen": echo.address, "upstream": echo.address},
    ]
    answer = await client.post("/populate", json=wanted)
    assert (answer.status_code, answer.json()["status"]) == (500, 500)
    assert "Address already in use" in answer.json()["error"]
    assert [made["name"] for made in answer.json()["proxies"]] == ["new"]
    assert (await client.get("/proxies/echo")).json() == proxy


async def test_requests_as_clients_in_other_languages_send_them(
    client: httpx2.AsyncClient, echo: Echo, proxy: dict[str, Any]
):
    """The whole toxic to change one, the direction in capitals, a null for a proxy's place, no attributes."""
    wanted = {"name": "slow", "type": "latency", "stream": "DOWNSTREAM", "toxicity": 1, "attributes": {"latency": 5}}
    toxic = {**wanted, "stream": "downstream", "attributes": {"latency": 5, "jitter": 0}}
    assert (await client.post("/proxies/echo/toxics", json=wanted)).json() == toxic
    whole = {**toxic, "toxicity": 0.5, "attributes": {"latency": 7, "jitter": 1}}
    assert (await client.post("/proxies/echo/toxics/slow", json=whole)).json() == whole
    bare = await client.post("/proxies", json={"name": "bare", "upstream": echo.address, "listen": None})
    assert bare.status_code == 201
    async with calling(bare.json()["listen"]) as caller:
        assert await caller.ask(b"x") == b"x"
    for kind in ("latency", "slow_close", "timeout", "reset_peer", "limit_data"):
        assert (await client.post("/proxies/bare/toxics", json={"type": kind})).status_code == 200
    assert (await client.post("/reset")).content == b""
    assert (await client.get("/proxies/bare/toxics")).json() == []


async def test_pages_in_browsers_are_not_answered(client: httpx2.AsyncClient):
    answer = await client.get("/proxies", headers={"User-Agent": "Mozilla/5.0"})
    assert (answer.status_code, answer.json()["error"]) == (403, "User agent not allowed")
