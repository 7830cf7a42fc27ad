"""What clients of a crowd say, and how they understand what comes."""

from __future__ import annotations

import pytest

from tidings.testing.clients.crowd.script import CentrifugeScript, Heard, Message, PlainScript
from tidings.testing.clients.crowd.wire import BINARY, TEXT, frame

pytestmark = pytest.mark.core


def test_a_plain_greeting() -> None:
    """Text and bytes as they are, all else as JSON; for all the same or for each its own."""
    said = frame(TEXT, b"hello") + frame(BINARY, b"\x00") + frame(TEXT, b'{"join":"lobby"}')
    assert PlainScript(["hello", b"\x00", {"join": "lobby"}]).greeting(7) == said
    assert PlainScript(lambda number: [{"user": number}]).greeting(7) == frame(TEXT, b'{"user":7}')
    assert PlainScript().greeting(7) == b""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"n":3,"t":1.5}', Message("", 3, 1.5)),
        (b'{"n":"three"}', Message()),
        (b"[3]", Message()),
        (b"no json", Message()),
    ],
)
def test_a_plain_message(data: bytes, message: Message) -> None:
    assert PlainScript(order="n", stamp="t").hear(TEXT, data) == Heard((message,), may_answer=True)


def test_without_keys_a_message_is_only_counted() -> None:
    assert PlainScript().hear(TEXT, b'{"n":3}').messages == (Message(),)


def test_a_centrifuge_greeting() -> None:
    script = CentrifugeScript("news", "chat:1", token=lambda number: f"token {number}")
    assert script.answers == 3
    assert script.greeting(7) == (
        frame(TEXT, b'{"id":1,"connect":{"token":"token 7"}}')
        + frame(TEXT, b'{"id":2,"subscribe":{"channel":"news"}}')
        + frame(TEXT, b'{"id":3,"subscribe":{"channel":"chat:1"}}')
    )


@pytest.mark.parametrize(
    ("data", "heard"),
    [
        (b'{"id":1,"connect":{"client":"c"}}\n{"id":2,"subscribe":{}}', Heard(answers=2)),
        (b'{"id":2,"error":{"code":103,"message":"permission denied"}}', Heard(refusal="error 103: permission denied")),
        (b"{}", Heard(reply=frame(TEXT, b"{}"))),
        (b'{"push":{"channel":"a","pub":{"data":1,"offset":7}}}', Heard((Message("a", 7),))),
        (b'{"push":{"channel":"a","pub":{"data":{"n":4,"t":2}}}}', Heard((Message("a", 4, 2),))),
        (b'{"push":{"channel":"a","join":{"info":{"user":"","client":""}}}}', Heard()),
    ],
)
def test_a_centrifuge_message(data: bytes, heard: Heard) -> None:
    assert CentrifugeScript("a", order="n", stamp="t").hear(TEXT, data) == heard
