"""What is told about the API's calls: each of them once, whatever became of it."""

from __future__ import annotations

import pytest

from tidings import events
from tidings.events import Fact

pytestmark = pytest.mark.shell

NEWS = b'{"channel":"news","data":1}'
UNKNOWN = b'{"channel":"unknown:x","data":1}'
TRANSPORT = b"x-centrifugo-error-mode", b"transport"


def calls(facts: list[Fact]) -> list[tuple[str, int, int]]:
    """Method, status and code of each."""
    return [(fact.method, fact.status, fact.code) for fact in facts if isinstance(fact, events.ApiCallHandled)]


def refusals(facts: list[Fact]) -> list[tuple[str, int]]:
    return [(fact.method, fact.code) for fact in facts if isinstance(fact, events.ApiCommandRefused)]


async def test_a_call(site):
    """With how long it took, by the node's clock."""
    await site.post("/api/publish", NEWS)
    assert site.facts[-1] == events.ApiCallHandled("publish", 0, 200, 0.0, "192.0.2.1")


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/api/publish", UNKNOWN, ("publish", 200, 102)),
        ("/api/publish", b"{}", ("publish", 200, 107)),
        ("/api/publish", b"{", ("publish", 400, 0)),
        ("/api/nonsense", b"{}", ("", 404, 0)),
        ("/api", b'{"method":"publish","params":{"channel":"news","data":1}}', ("publish", 200, 0)),
        ("/api", b'{"method":"nonsense"}', ("", 200, 104)),
        ("/api", b"{", ("", 400, 0)),
        ("/api/batch", b'{"commands":[]}', ("batch", 200, 0)),
    ],
)
async def test_by_method_status_and_code(site, path, body, told):
    """Whatever path and body a caller invents, there are few methods."""
    await site.post(path, body)
    assert calls(site.facts) == [told]


async def test_statuses_of_the_transport_mode(site):
    await site.post("/api/publish", UNKNOWN, TRANSPORT)
    assert calls(site.facts) == [("publish", 404, 102)]


async def test_without_the_key(site):
    """Counted as well; nothing of the key that came is told."""
    await site.request("POST", "/api/publish", [NEWS], [(b"x-api-key", b"guessed")])
    assert calls(site.facts) == [("publish", 401, 0)]
    assert "guessed" not in str(site.facts)


async def test_commands_of_a_batch_that_are_refused(site):
    """The call as such is fine, so each of them is told."""
    commands = b'{"commands":[{"publish":%b},{"publish":%b},{"publish":%b}]}' % (NEWS, UNKNOWN, UNKNOWN)
    await site.post("/api/batch", commands)
    assert calls(site.facts) == [("batch", 200, 0)]
    assert refusals(site.facts) == [("publish", 102), ("publish", 102)]


async def test_channels_of_a_broadcast_that_are_refused(site):
    await site.post("/api/broadcast", b'{"channels":["news","unknown:x"],"data":1}')
    assert calls(site.facts) == [("broadcast", 200, 0)]
    assert refusals(site.facts) == [("broadcast", 102)]


async def test_who_hangs_up_has_not_called(site):
    """Nobody got an answer."""
    await site.request("POST", "/api/publish", [], [(b"x-api-key", b"a key of the tests")])
    assert calls(site.facts) == []


async def test_a_body_that_is_too_long(site):
    chunk = b" " * (1 << 20)
    await site.request("POST", "/api/publish", [chunk] * 9, [(b"x-api-key", b"a key of the tests")])
    assert calls(site.facts) == [("publish", 413, 0)]
