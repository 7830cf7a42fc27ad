"""`tidings doctor` and everything but the broker: settings, machine, certificate, port, server and round trip."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.docs.pages import page, section
from tests.world.certificates import self_signed
from tests.world.command import run, written
from tests.world.issuer import Issuer, issuer_app

from tidings.testing import TidingsNode
from tidings.testing.services import ports

pytestmark = [pytest.mark.world, pytest.mark.L3]

SECRET, KEY = "kP2x_9Qw-7Zr4LmN8vBc1TyU6sDf3GhJ5aEoXiRq", "Wn5-cY8uJ_3kHdT1pZqL6bRx"
Found = dict[tuple[str, str], tuple[str, str]]


def examined(*arguments: str | Path) -> tuple[int, Found]:
    """The exit code, and level and text by where and subject."""
    ran = run("doctor", "--json", *arguments)
    assert ran.stderr == ""
    document = json.loads(ran.stdout)
    levels = [one["level"] for one in document["findings"]]
    assert (document["problems"], document["warnings"]) == (levels.count("problem"), levels.count("warning"))
    return ran.returncode, {(one["where"], one["subject"]): (one["level"], one["text"]) for one in document["findings"]}


def settings(**sections: dict[str, Any]) -> dict[str, Any]:
    return {"auth": {"hmac_secret": SECRET}, "api": {"key": KEY}, **sections}


def test_before_the_first_start(tmp_path: Path) -> None:
    """Without a server one is started for the trial, with the broker of the settings, and nothing of it stays."""
    port = ports.reserve()
    try:
        code, found = examined("--config", written(settings(server={"port": port}), tmp_path))
    finally:
        ports.release(port)
    assert code == 0
    assert found[f"http://127.0.0.1:{port}", "port"][0] == "ok"
    level, text = found["a server started for the trial", "round trip"]
    assert level == "ok"
    assert "median" in text
    documented = section(page("operations.md"), "Before the first start, and when something is wrong")
    assert [subject for where, subject in found if where != "memory://" and f"`{subject}`" not in documented] == []


def test_beside_the_running_server(tmp_path: Path) -> None:
    """It is asked itself: health, clock, and the whole way of a publication with its latency."""
    with TidingsNode(settings()) as node:
        base = f"http://127.0.0.1:{node.port}"
        code, found = examined("--config", written(settings(server={"port": node.port}), tmp_path))
    assert code == 0
    assert {subject for where, subject in found if where == base} == {
        "port", "health", "proxy headers", "clock", "round trip",
    }  # fmt: skip
    assert found[base, "round trip"][0] == "ok"


def test_a_server_with_other_keys(tmp_path: Path) -> None:
    """The commonest mistake: the file was changed, and the server is still the one of before."""
    with TidingsNode(settings()) as node:
        base = f"http://127.0.0.1:{node.port}"
        other = settings(server={"port": node.port}, auth={"hmac_secret": SECRET[::-1]})
        code, found = examined("--config", written(other, tmp_path))
        assert (code, found[base, "round trip"][0]) == (1, "problem")
        assert "hmac_secret" in found[base, "round trip"][1]
        other = settings(server={"port": node.port}, api={"key": KEY[::-1]})
        code, found = examined("--config", written(other, tmp_path))
        assert (code, "[api] key" in found[base, "round trip"][1]) == (1, True)


def test_something_else_has_the_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        code, found = examined("--config", written(settings(server={"port": port}), tmp_path))
    level, text = found[f"http://127.0.0.1:{port}", "port"]
    assert (code, level, "choose another" in text) == (1, "problem", True)


def test_nobody_at_the_url(tmp_path: Path) -> None:
    code, found = examined("--config", written(settings(), tmp_path), "--url", "http://127.0.0.1:1")
    assert (code, found["http://127.0.0.1:1", "reachable"][0]) == (1, "problem")


def test_a_broker_that_is_away(tmp_path: Path) -> None:
    """The round trip would only say the same again, so it is left out, and that is said."""
    port = ports.reserve()
    try:
        file = written(settings(server={"port": port}, broker={"url": "redis://127.0.0.1:1"}), tmp_path)
        code, found = examined("--config", file)
    finally:
        ports.release(port)
    assert (code, found["127.0.0.1:1", "reachable"][0]) == (1, "problem")
    assert "was not tried" in found["a server started for the trial", "round trip"][1]


def test_a_collector_that_is_away(tmp_path: Path) -> None:
    """The trial is no part of anybody's traces, and waits for no collector at its end."""
    tracing = {"enabled": True, "endpoint": "http://127.0.0.1:1"}
    code, found = examined("--config", written(settings(server={"port": 0}, tracing=tracing), tmp_path))
    assert (code, found["a server started for the trial", "round trip"][0]) == (0, "ok")


def test_an_address_without_its_scheme(tmp_path: Path) -> None:
    """It is no server that does not answer."""
    ran = run("doctor", "--config", written(settings(), tmp_path), "--url", "live.example.com")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == "tidings: --url must begin with http:// or https://, not be 'live.example.com'.\n"


def test_a_limit_that_is_too_narrow_for_the_trial(tmp_path: Path) -> None:
    """The round trip is counted as any other call of the API; the server is as it should be."""
    with TidingsNode(settings(limits={"api_requests": "5/1m"})) as node:
        _, found = examined("--config", written(settings(server={"port": node.port}), tmp_path))
        level, text = found[f"http://127.0.0.1:{node.port}", "round trip"]
        assert (level, "[limits] api_requests" in text) == ("warning", True)
        refused = run("publish", "--config", node.config, "news", "1", "--url", node.url)
        assert (refused.returncode, "too many requests" in refused.stderr) == (1, True)


def test_a_certificate_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trusted where SSL_CERT_FILE names it, over the whole way."""
    certificate = str(self_signed(tmp_path))
    with TidingsNode(settings(server={"tls_certificate": certificate, "tls_key": certificate})) as node:
        asked = ("--config", node.config, "--url", node.url)
        code, found = examined(*asked)
        assert (code, "SSL_CERT_FILE" in found[node.url, "reachable"][1]) == (1, True)
        monkeypatch.setenv("SSL_CERT_FILE", certificate)
        _, found = examined(*asked)
        assert found[node.url, "round trip"][0] == "ok"


def test_a_certificate_that_ends(tmp_path: Path) -> None:
    certificate = str(self_signed(tmp_path))
    file = written(settings(server={"port": 0, "tls_certificate": certificate, "tls_key": certificate}), tmp_path)
    _, found = examined("--config", file)
    level, text = found[certificate, "certificate"]
    assert level == "warning"
    assert "signed by itself" in text or "Renew" in text


def test_an_issuers_keys(tmp_path: Path) -> None:
    """One that publishes its keys, and one where nobody answers."""
    nowhere = "http://127.0.0.1:1/jwks.json"
    with issuer_app() as app:
        issuer = Issuer(app)
        issuer.add("a")
        issuer.publish("a")
        auth = {"hmac_secret": SECRET, "jwks_url": issuer.url, "subscription": {"jwks_url": nowhere}}
        code, found = examined("--config", written(settings(auth=auth, server={"port": 0}), tmp_path))
        assert code == 1
        assert (found[issuer.url, "keys"][0], found[nowhere, "keys"][0]) == ("warning", "problem")


def test_endpoints_of_webhooks(tmp_path: Path) -> None:
    """One where somebody is, and one where nobody is; neither is called."""
    nowhere = "http://127.0.0.1:1/rpc"
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        there = f"http://127.0.0.1:{somebody.getsockname()[1]}/connect"
        proxies = {"connect": {"endpoint": there}, "rpc": {"endpoint": nowhere}}
        code, found = examined("--config", written(settings(proxy=proxies, server={"port": 0}), tmp_path))
        peer, _ = somebody.accept()
        with peer:
            assert peer.recv(1) == b""
    assert (code, found[there, "webhook"][0], found[nowhere, "webhook"][0]) == (1, "ok", "problem")


@pytest.mark.skipif(os.name == "nt", reason="there are no such bits")
def test_a_file_that_others_may_read(tmp_path: Path) -> None:
    file = written(settings(server={"port": 0}), tmp_path)
    file.chmod(0o644)
    _, found = examined("--config", file)
    assert found[str(file), "permissions"][0] == "warning"
    file.chmod(0o600)
    _, found = examined("--config", file)
    assert (str(file), "permissions") not in found


def test_no_secret_is_shown(tmp_path: Path) -> None:
    ran = run("doctor", "--config", written(settings(auth={"hmac_secret": "changeme"}), tmp_path))
    assert ran.returncode == 1
    assert "changeme" not in ran.stdout
    assert KEY not in ran.stdout
