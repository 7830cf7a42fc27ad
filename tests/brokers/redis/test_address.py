"""A broker's URL: what it says, and what is wrong with it in one sentence."""

from __future__ import annotations

import ssl
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.brokers.endpoints import Tls, named
from tidings.brokers.redis.address import Address, Credentials, Deployment, parse
from tidings.errors import SettingsError

pytestmark = pytest.mark.core

HERE = ("localhost", 6379)
SENTINELS = (("a", 26379), ("b", 26380))


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://localhost", Address(Deployment.STANDALONE, (HERE,))),
        ("redis://localhost/", Address(Deployment.STANDALONE, (HERE,))),
        ("redis://10.0.0.1:7000/3", Address(Deployment.STANDALONE, (("10.0.0.1", 7000),), database=3)),
        ("redis://[::1]", Address(Deployment.STANDALONE, (("::1", 6379),))),
        ("redis://[::1]:7000", Address(Deployment.STANDALONE, (("::1", 7000),))),
        ("redis://:secret@localhost", Address(Deployment.STANDALONE, (HERE,), Credentials("", "secret"))),
        ("redis://ann:s%40%2F%3A@localhost", Address(Deployment.STANDALONE, (HERE,), Credentials("ann", "s@/:"))),
        ("rediss://localhost", Address(Deployment.STANDALONE, (HERE,), tls=Tls())),
        (
            "redis+sentinel://a,b:26380/mymaster",
            Address(Deployment.SENTINEL, SENTINELS, service="mymaster"),
        ),
        (
            "redis+sentinel://a,b:26380/my%2Fmaster/2",
            Address(Deployment.SENTINEL, SENTINELS, service="my/master", database=2),
        ),
        ("redis+cluster://a:1,b:2", Address(Deployment.CLUSTER, (("a", 1), ("b", 2)))),
        ("redis+cluster://a:1,b:2/0", Address(Deployment.CLUSTER, (("a", 1), ("b", 2)))),
        ("rediss+cluster://a:1", Address(Deployment.CLUSTER, (("a", 1),), tls=Tls())),
    ],
)
def test_what_it_says(url: str, address: Address):
    assert parse(url) == address


def test_options_of_tls():
    address = parse("rediss://h?ssl_ca_certs=/a.pem&ssl_certfile=/b.pem&ssl_keyfile=/c.pem&ssl_cert_reqs=none")
    assert address.tls == Tls("/a.pem", "/b.pem", "/c.pem", verify=False)
    assert parse("rediss://h?ssl_cert_reqs=required").tls == Tls(verify=True)


@pytest.mark.parametrize("scheme", ["redis+sentinel", "rediss+sentinel"])
def test_sentinels_have_credentials_of_their_own(scheme: str):
    address = parse(f"{scheme}://ann:a@h/main?sentinel_username=eve&sentinel_password=e%26")
    assert (address.credentials, address.sentinel_credentials) == (Credentials("ann", "a"), Credentials("eve", "e&"))


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("memcached://h", '[broker] url = "memcached://…" is no Redis; its schemes are redis, rediss, redis+sentinel,'),
        ("redis://", "[broker] url: a host is missing, such as redis://localhost:6379."),
        ("redis+cluster://,", "[broker] url: a host is missing"),
        ("redis://:6379", "[broker] url: a host is missing"),
        ("redis+cluster://a,,b", "[broker] url: a host is missing"),
        ("redis://a..b", '[broker] url: "a..b" cannot be the name of a host.'),
        ("redis://" + "a" * 64, "cannot be the name of a host."),
        ("redis://h:port", '[broker] url: "port" is no port; a host is followed by a number from 1 to 65535.'),
        ("redis://h:0", '"0" is no port'),
        ("redis://h:65536", '"65536" is no port'),
        ("redis://h:-1", '"-1" is no port'),
        ("redis://h/one", '[broker] url: "/one" is not the number of a database.'),
        ("redis://h/1/2", '"/1/2" is not the number of a database'),
        ("redis://h/-1", '"/-1" is not the number of a database'),
        ("redis+sentinel://h", "after the sentinels comes the service, redis+sentinel://host/mymaster."),
        ("redis+cluster://h/1", "[broker] url: a cluster has only the database 0."),
        ("redis://h?ssl_certfile=x", "[broker] url: ssl_certfile needs rediss://, which speaks TLS."),
        ("rediss://h?ssl_cert_reqs=optional", '[broker] url: ssl_cert_reqs is "required" or "none".'),
        ("redis://h?timeout=3", '[broker] url: the option "timeout" is not known; there are ssl_ca_certs,'),
    ],
)
def test_what_is_wrong_is_one_sentence(url: str, sentence: str):
    with pytest.raises(SettingsError) as refusal:
        parse(url)
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "redis://h:1/2",
        "rediss://[::1]:1",
        "redis+sentinel://a:1,b:2/main/3",
        "redis+cluster://a:1,b:2",
        "rediss+cluster://a:1",
    ],
)
def test_an_address_is_shown_as_it_is_written(url: str):
    """With every port."""
    shown = str(parse(url))
    assert parse(shown) == parse(url)
    assert shown.startswith(url)


def test_no_secret_is_shown():
    address = parse("rediss+sentinel://ann:s3cret@h/main?sentinel_password=s3cret")
    assert "s3cret" not in f"{address} {address!r}"


@given(st.text(max_size=20), st.text(min_size=1, max_size=20))
def test_any_name_and_password_can_be_written(username: str, password: str):
    url = f"redis://{quote(username, safe='')}:{quote(password, safe='')}@h"
    assert parse(url).credentials == Credentials(username, password)


@given(st.text(max_size=40))
def test_whatever_is_written_is_an_address_or_a_sentence(rest: str):
    for scheme in ("redis", "rediss+sentinel", "redis+cluster"):
        try:
            assert str(parse(f"{scheme}://{rest}"))
        except SettingsError as refusal:
            assert str(refusal).startswith("[broker] url")


@pytest.mark.parametrize(("endpoint", "text"), [(("h", 1), "h:1"), (("::1", 2), "[::1]:2")])
def test_an_endpoint_as_people_write_it(endpoint: tuple[str, int], text: str):
    assert named(endpoint) == text


# Certificates.


def test_certificates_are_asked_for():
    """And the name in them is looked at."""
    context = Tls().context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_certificates_are_not_asked_for_where_that_was_said():
    context = Tls(verify=False).context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


@pytest.mark.parametrize("option", ["ca_certificates", "certificate"])
def test_files_that_cannot_be_used(option: str, tmp_path: Path):
    """Those that are not there, and those that are no certificates."""
    damaged = tmp_path / "damaged.pem"
    damaged.write_text("no certificate")
    for path in (tmp_path / "missing.pem", damaged):
        with pytest.raises(SettingsError, match="the certificates that it names cannot be used"):
            Tls(**{option: str(path)}).context()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [("redis://h1:6379,h2:6379", "redis:// is one server"), ("redis://u:p@ss/w@h", "write @ as %40")],
)
def test_what_would_be_understood_wrongly_is_refused(url: str, sentence: str):
    """And no part of a password is shown."""
    with pytest.raises(SettingsError, match=sentence) as raised:
        parse(url)
    assert "w@h" not in raised.value.message
