"""Results: which fields are written, and what becomes of payloads that are not JSON."""

from __future__ import annotations

import msgspec
import pytest

from tidings import model
from tidings.app.api import results
from tidings.app.api.results import ClientInfo, Error, HistoryResult, Publication, PublishResult, Response

pytestmark = pytest.mark.core


@pytest.mark.parametrize(
    ("result", "encoded"),
    [
        (results.Done(), b"{}"),
        (PublishResult(), b"{}"),
        (PublishResult(1, "e"), b'{"offset":1,"epoch":"e"}'),
        (Error(107, "bad request"), b'{"code":107,"message":"bad request"}'),
        (Error(100, "x", temporary=True), b'{"code":100,"message":"x","temporary":true}'),
        (Response(result=PublishResult()), b'{"result":{}}'),
        (HistoryResult([], 0, ""), b'{"publications":[],"offset":0,"epoch":""}'),
        (results.PresenceResult({}), b'{"presence":{}}'),
        (results.PresenceStatsResult(0, 0), b'{"num_clients":0,"num_users":0}'),
        (results.ChannelsResult({}), b'{"channels":{}}'),
        (results.RPCResult(), b"{}"),
    ],
)
def test_zero_values(result, encoded):
    """They are left out, but for those that clients expect in any case."""
    assert msgspec.json.encode(result) == encoded


@pytest.mark.parametrize(
    ("info", "encoded"),
    [
        (model.ClientInfo("", ""), b'{"user":"","client":""}'),
        (
            model.ClientInfo("42", "c", b'{"a" : 1}', b"2"),
            b'{"user":"42","client":"c","conn_info":{"a" : 1},"chan_info":2}',
        ),
        (
            model.ClientInfo("42", "c", b"\x00", b"\xff"),
            b'{"user":"42","client":"c","b64conn_info":"AA==","b64chan_info":"/w=="}',
        ),
    ],
)
def test_client_info(info, encoded):
    """User and client are always told; info as JSON where it is JSON, else in base64."""
    assert msgspec.json.encode(ClientInfo.of(info)) == encoded


@pytest.mark.parametrize(
    ("publication", "encoded"),
    [
        (model.Publication(b'{"a":\n1.0}', 3), b'{"data":{"a": 1.0},"offset":3}'),
        (
            model.Publication(b"1", 3, model.ClientInfo("42", "c"), {"k": "v"}, 5.0),
            b'{"data":1,"offset":3,"info":{"user":"42","client":"c"},"tags":{"k":"v"}}',
        ),
        (model.Publication(b"\xff", 3), b'{"data":null,"offset":3,"b64data":"/w=="}'),
        (model.Publication(b"", 3), b'{"data":null,"offset":3}'),
    ],
)
def test_publication(publication, encoded):
    """Data is always told, and null where only its twin can be."""
    assert msgspec.json.encode(Publication.of(publication)) == encoded
