"""Messages in pieces."""

from __future__ import annotations

import pytest

from tidings.gateway.transports.fragments import Fragments

pytestmark = pytest.mark.core

EURO = "€".encode()


def test_a_message_is_the_sum_of_its_pieces():
    """Pieces are joined in order; empty ones are as good as others."""
    message = Fragments(text=False)
    for piece in (b"", b"\xff", b"", b"\x00\xfe"):
        message.add(piece, final=False)
    message.add(b"", final=True)
    assert message.whole() == b"\xff\x00\xfe"


def test_a_character_may_be_cut_by_a_fragment():
    """The three bytes of the euro sign may arrive one by one."""
    message = Fragments(text=True)
    message.add(EURO[:1], final=False)
    message.add(EURO[1:2], final=False)
    message.add(EURO[2:], final=True)
    assert message.whole() == EURO


def test_a_character_may_not_be_cut_by_the_end():
    """The message ends within the euro sign."""
    message = Fragments(text=True)
    message.add(EURO[:2], final=False)
    with pytest.raises(UnicodeDecodeError):
        message.add(b"", final=True)


@pytest.mark.parametrize("piece", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90", b"\x80", b"a\xe2\x28"])
def test_what_cannot_become_text_is_refused_at_once(piece: bytes):
    """Overlong forms, surrogates, what lies beyond Unicode and stray bytes do not wait for the message's end."""
    with pytest.raises(UnicodeDecodeError):
        Fragments(text=True).add(piece, final=False)
