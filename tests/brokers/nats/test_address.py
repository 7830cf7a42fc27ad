"""What a NATS URL says, and what is said of one that says nothing."""

from __future__ import annotations

import pytest

from tidings.brokers.endpoints import Tls
from tidings.brokers.nats.address import Address, Credentials, parse
from tidings.errors import SettingsError

pytestmark = pytest.mark.core

HERE = (("h", 4222),)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("nats://h", Address(HERE)),
        ("nats://h/", Address(HERE)),
        ("nats://h:1234", Address((("h", 1234),))),
        ("nats://[::1]:1,[::1]", Address((("::1", 1), ("::1", 4222)))),
        ("nats://h1,h2:1", Address((("h1", 4222), ("h2", 1)))),
        ("nats://h1,nats://h2", Address((("h1", 4222), ("h2", 4222)))),
        ("nats://ann:p%40ss@h", Address(HERE, Credentials("ann", "p@ss"))),
        ("nats://ann:p@ss@h", Address(HERE, Credentials("ann", "p@ss"))),
        ("nats://a:b@h,nats://a:b@h", Address(HERE * 2, Credentials("a", "b"))),
        ("nats://a:b@h,h", Address(HERE * 2, Credentials("a", "b"))),
        ("nats://t%2Fken@h", Address(HERE, Credentials(token="t/ken"))),
        ("tls://h", Address(HERE, tls=Tls())),
        (
            "tls://h?ssl_ca_certs=a&ssl_certfile=b&ssl_keyfile=c&ssl_cert_reqs=none",
            Address(HERE, tls=Tls("a", "b", "c", False)),
        ),
    ],
)
def test_parsed(url: str, address: Address):
    """Hosts, who to be, and how to prove it."""
    assert parse(url) == address


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("redis://h", 'url = "redis://…" is no NATS; its schemes are nats and tls.'),
        ("nats://", "url: a host is missing, such as nats://localhost:4222."),
        ("nats://h,,h", "url: a host is missing, such as nats://localhost:4222."),
        ("nats://a:b@", "url: a host is missing, such as nats://localhost:4222."),
        ("nats://h:x", 'url: "x" is no port; a host is followed by a number from 1 to 65535.'),
        ("nats://h:70000", 'url: "70000" is no port; a host is followed by a number from 1 to 65535.'),
        ("nats://h/0", "url: NATS has no databases; nothing follows after the hosts."),
        ("nats://a:b@h,c:d@h", "url: the hosts have different credentials; a node has one, the same for all."),
        (
            "tls://h?verify=no",
            'url: the option "verify" is not known; there are ssl_ca_certs, ssl_certfile, ssl_keyfile, ssl_cert_reqs.',
        ),
        ("nats://h?ssl_cert_reqs=none", "url: ssl_cert_reqs needs tls://, which speaks TLS."),
        ("tls://h?ssl_cert_reqs=some", 'url: ssl_cert_reqs is "required" or "none".'),
    ],
)
def test_refused(url: str, sentence: str):
    """One sentence that says what to change, without what may be secret."""
    with pytest.raises(SettingsError) as refused:
        parse(url)
    assert str(refused.value) == f"[broker] {sentence}"


def test_no_secret_is_shown():
    """Neither by the address nor by what it consists of."""
    for url in ("nats://ann:secret@h", "nats://secret@h", "tls://secret@[::1]:1,h2"):
        assert "secret" not in f"{parse(url)} {parse(url)!r}"
    assert str(parse("tls://secret@[::1]:1,h2")) == "tls://[::1]:1,h2:4222"


def test_certificates_that_are_not_there_are_named():
    """When the broker is made, not when it connects."""
    with pytest.raises(SettingsError, match="certificates that it names cannot be used"):
        parse("tls://h?ssl_ca_certs=/nowhere.pem").tls.context()
