"""Which headers a call carries."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider

from tidings import traces
from tidings.gateway.webhooks import headers
from tidings.observability.traces import OpenTelemetryTracer

pytestmark = pytest.mark.core

NOTHING: Mapping[str, str] = {}
LISTED = ("cookie", "x-room", "x-real-ip", "x-forwarded-for")


def passed(
    real: Mapping[str, str] = NOTHING, emulated: Mapping[str, str] = NOTHING, address: str = "192.0.2.1"
) -> dict[str, bytes]:
    return headers.passed_on(LISTED, real, headers.emulated(frozenset(LISTED), emulated), address)


def test_nothing_is_passed_on_that_is_not_listed() -> None:
    assert passed({"x-other": "1"}, {"x-another": "1"}, "") == {}


def test_the_request_counts_before_the_command() -> None:
    """What a proxy in front has set must not be replaced by what the client writes."""
    assert passed({"cookie": "real"}, {"Cookie": "written", "X-Room": "12"}, "") == {"cookie": b"real", "x-room": b"12"}


def test_the_address_is_the_servers_word() -> None:
    claims = {"x-real-ip": "6.6.6.6", "x-forwarded-for": "6.6.6.6, 7.7.7.7"}
    assert passed(claims, claims) == {"x-real-ip": b"192.0.2.1", "x-forwarded-for": b"192.0.2.1"}
    assert passed(claims, claims, "") == {}


@pytest.mark.parametrize("value", ["a\r\nhost: evil", "a\nb", "a\x00b", "\x7f", "\ud800", "x" * 8193])
def test_no_value_breaks_out(value: str) -> None:
    assert passed(emulated={"x-room": value}, address="") == {}


@pytest.mark.parametrize("value", ["a\nb", "a\x00b"])
def test_not_even_one_of_the_request(value: str) -> None:
    assert passed(real={"cookie": value}, address="") == {}


def test_text_travels_as_it_is() -> None:
    assert passed({"cookie": "caf\xe9"}, {"x-room": " caf\u00e9\t"}, "") == {
        "cookie": b"caf\xe9",
        "x-room": "café".encode(),
    }


@given(st.dictionaries(st.text(), st.text()), st.dictionaries(st.sampled_from(LISTED), st.text()))
def test_whatever_is_written(unlisted: dict[str, str], written: dict[str, str]) -> None:
    for name, value in passed(emulated=unlisted | written).items():
        assert name in LISTED
        assert not {0, 10, 13} & {*value}


@pytest.mark.parametrize(
    "name", ["Host", "content-length", "Transfer-Encoding", "Sec-WebSocket-Key", "X-Tidings-Signature"]
)
def test_what_belongs_to_the_call_cannot_be_listed(name: str) -> None:
    assert not headers.may_be_passed(name)


@pytest.mark.parametrize("name", ["Cookie", "Authorization", "X-Real-IP", "Origin", "User-Agent", "X-Request-Id"])
def test_what_may_be_listed(name: str) -> None:
    assert headers.may_be_passed(name)


def test_a_call() -> None:
    """The client's headers replace none that the body needs."""
    sent = dict(headers.of_call(b"{}", {"cookie": b"a=1", "user-agent": b"browser"}, secret="", now=0.0))
    assert sent == {
        b"accept": b"application/json",
        b"accept-encoding": b"identity",
        b"user-agent": b"browser",
        b"cookie": b"a=1",
        b"content-type": b"application/json",
    }


def test_a_signed_call() -> None:
    sent = dict(headers.of_call(b'{"a":1}', {}, secret="s3cret", now=1_700_000_000.9))
    expected = hmac.new(b"s3cret", b'1700000000.{"a":1}', hashlib.sha256).hexdigest()
    assert sent[b"x-tidings-signature"] == f"t=1700000000,v1={expected}".encode()


def test_a_call_goes_on_in_the_trace_that_it_belongs_to() -> None:
    """And not in one that a client names, where the settings list that header; outside of a trace it is passed."""
    span = OpenTelemetryTracer(TracerProvider).span("client rpc", traces.Kind.SERVER, {})
    claimed = {"traceparent": b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    with span:
        sent = dict(headers.of_call(b"{}", claimed, secret="", now=0.0))
    assert sent[b"traceparent"] == span.trace.parent.encode()
    outside = dict(headers.of_call(b"{}", claimed, secret="", now=0.0))
    assert outside[b"traceparent"] == claimed["traceparent"]
