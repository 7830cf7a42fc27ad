"""One request for a key set: to an issuer in a process of its own that answers as badly as it can."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.world.certificates import self_signed
from tests.world.issuer import Issuer, issuer_app

from tidings.gateway.keys.retrieval import LIMIT_BYTES, TTL_FLOOR, Unreachable, lifetime, max_age, retrieve, shown
from tidings.testing import AsgiApp
from tidings.testing.services.ports import release, reserve

pytestmark = [pytest.mark.world, pytest.mark.L3]


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuer_app() as app:
        issuer = Issuer(app)
        issuer.add("a")
        issuer.add("b")
        yield issuer


async def reason(url: str, timeout: float = 5.0) -> str:
    with pytest.raises(Unreachable) as raised:
        await retrieve(url, timeout=timeout)
    return str(raised.value)


async def test_a_good_answer(issuer: Issuer) -> None:
    issuer.publish("a", "b", cache_control="public, max-age=90")
    found = await retrieve(issuer.url)
    assert (found.keys.kids, found.max_age) == ({"a", "b"}, 90.0)


async def test_a_slow_answer_is_waited_for(issuer: Issuer) -> None:
    issuer.publish("a", mode="slow")
    assert (await retrieve(issuer.url)).keys.kids == {"a"}


@pytest.mark.parametrize(
    ("mode", "sentence"),
    [
        ("500", "the answer has status 500"),
        ("404", "the answer has status 404"),
        ("moved", "the answer has status 302"),
        ("long", f"the answer is longer than {LIMIT_BYTES} bytes"),
        ("html", "the answer is not a JSON Web Key Set"),
        ("text", "the answer is not a JSON Web Key Set"),
        ("packed", "the answer is compressed"),
    ],
)
async def test_bad_answers(issuer: Issuer, mode: str, sentence: str) -> None:
    """A status, a redirect, too much of it, something else, and what would have to be unpacked."""
    issuer.publish("a", mode=mode)
    assert await reason(issuer.url) == sentence


async def test_no_answer(issuer: Issuer) -> None:
    """It takes no longer than it may, and whoever is not there is named so."""
    issuer.publish("a", mode="hanging")
    assert await reason(issuer.url, 0.3) == "there was no answer within 0.3 s"
    port = reserve()
    assert await reason(f"http://127.0.0.1:{port}/") == "All connection attempts failed"
    release(port)


async def test_who_is_not_who_he_says_he_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that nobody vouches for is refused, and taken where somebody does."""
    certificate = str(self_signed(tmp_path))
    options = ["--ssl-certfile", certificate, "--ssl-keyfile", certificate]
    app = AsgiApp("tests.world.issuer:application", folder=Path(__file__).parents[3], options=options)
    with app:
        url = f"https://127.0.0.1:{app.port}/jwks.json"
        assert "CERTIFICATE_VERIFY_FAILED" in await reason(url)
        monkeypatch.setenv("SSL_CERT_FILE", certificate)
        assert len((await retrieve(url)).keys) == 0


async def test_old_tls_is_refused(tmp_path: Path) -> None:
    """What is asked over TLS is asked over 1.2 or later."""
    from tidings.gateway.keys.retrieval import _prepare

    context = _prepare("https://issuer.example.com/")
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname


@pytest.mark.parametrize(
    ("headers", "age"),
    [
        ({}, None),
        ({"cache-control": "public"}, None),
        ({"cache-control": "max-age=soon"}, None),
        ({"cache-control": "public, Max-Age=300"}, 300.0),
        ({"cache-control": 'max-age="300"', "age": "100"}, 200.0),
        ({"cache-control": "max-age=300", "age": "400"}, 0.0),
        ({"cache-control": "max-age=300, no-store"}, 0.0),
        ({"cache-control": "no-cache"}, 0.0),
    ],
)
def test_how_long_it_is_good(headers: dict[str, str], age: float | None) -> None:
    assert max_age(headers) == age


def test_within_reason() -> None:
    """The issuer can shorten the time, though not so that every token makes a request."""
    assert lifetime(3600, None) == 3600
    assert lifetime(3600, 600) == 600
    assert lifetime(3600, 0) == TTL_FLOOR
    assert lifetime(3600, 1e9) == 3600
    assert lifetime(5, 0) == 5


def test_what_is_shown_of_an_address() -> None:
    assert shown("https://user:secret@host:1/path?key=secret#x") == "https://host:1/path"
