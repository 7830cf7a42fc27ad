"""Which web pages may connect, and the tricks by which others try."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.gateway.origins import is_allowed

pytestmark = pytest.mark.core

HOST = "rt.example.com"


@pytest.mark.parametrize("origin", [None, ""])
def test_no_browser(origin: str | None) -> None:
    """A client that sends no Origin is no page, and is not held up."""
    assert is_allowed(origin, HOST, [])


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://rt.example.com", "rt.example.com"),
        ("http://rt.example.com", "rt.example.com"),
        ("HTTPS://RT.example.COM", "rt.EXAMPLE.com"),
        ("https://rt.example.com", "rt.example.com:443"),
        ("https://rt.example.com:443", "rt.example.com"),
        ("http://rt.example.com", "rt.example.com:80"),
        ("http://localhost:8000", "localhost:8000"),
        ("http://[::1]:8000", "[::1]:8000"),
    ],
)
def test_own_host(origin: str, host: str) -> None:
    """A page of the very host that it connects to is always allowed; a default port may be written or not."""
    assert is_allowed(origin, host, [])


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://example.com", "rt.example.com"),
        ("https://evil.example", "rt.example.com"),
        ("https://rt.example.com.evil.example", "rt.example.com"),
        ("https://notrt.example.com", "rt.example.com"),
        ("https://rt.example.com:8443", "rt.example.com"),
        ("https://rt.example.com", "rt.example.com:8443"),
        ("http://rt.example.com:443", "rt.example.com"),
        ("https://rt.example.com:80", "rt.example.com"),
        ("ftp://rt.example.com", "rt.example.com"),
        ("chrome-extension://rt.example.com", "rt.example.com"),
        ("https://rt.example.com@evil.example", "rt.example.com"),
        ("https://user@rt.example.com", "user@rt.example.com"),
        ("https://evil.example#rt.example.com", "rt.example.com"),
        ("rt.example.com", "rt.example.com"),
        ("https://", ""),
        ("https://rt.example.com", ""),
        ("https://rt.example.com", None),
        ("null", "rt.example.com"),
        ("null", "null"),
    ],
)
def test_another_host(origin: str, host: str | None) -> None:
    """A page of any other host or port, or of none, needs a pattern."""
    assert not is_allowed(origin, host, [])


@pytest.mark.parametrize(
    ("origin", "pattern"),
    [
        ("https://app.example.com", "https://app.example.com"),
        ("https://APP.example.com", "https://app.EXAMPLE.com"),
        ("https://app.example.com", "https://app.example.com:443"),
        ("https://app.example.com:443", "https://app.example.com"),
        ("https://app.example.com", "https://*.example.com"),
        ("https://a.b.example.com", "https://*.example.com"),
        ("https://app.example.com", "*://app.example.com"),
        ("https://app7.example.com", "https://app?.example.com"),
        ("https://app.example.com", "https://app*.example.com"),
        ("https://app.example.com", "https://*"),
        ("http://localhost:5173", "http://localhost:*"),
        ("http://127.0.0.1:5173", "http://127.0.0.1:5173"),
        ("http://[::1]:5173", "http://[::1]:*"),
        ("capacitor://localhost", "capacitor://localhost"),
    ],
)
def test_allowed_by_a_pattern(origin: str, pattern: str) -> None:
    """Patterns fit whole origins, with wildcards within a scheme, a host or a port, in any case."""
    assert is_allowed(origin, HOST, [pattern])
    assert is_allowed(origin, HOST, ["https://elsewhere.example", pattern])


@pytest.mark.parametrize(
    ("origin", "pattern"),
    [
        ("https://example.com", "https://*.example.com"),
        ("http://app.example.com", "https://*.example.com"),
        ("https://app.example.com:8443", "https://*.example.com"),
        ("https://app.example.com:8443", "https://app.example.com*"),
        ("https://app.example.com:8443", "https://*"),
        ("https://example.com.evil.example", "https://example.com"),
        ("https://app.example.com.evil.example", "https://*.example.com"),
        ("https://evilexample.com", "https://*.example.com"),
        ("https://evil-example.com", "https://*.example.com"),
        ("https://appXexample.com", "https://app.example.com"),
        ("https://app.example.com.", "https://app.example.com"),
        ("https://evil.example/.example.com", "https://*.example.com"),
        ("https://evil.example?.example.com", "https://*.example.com"),
        ("https://evil.example#.example.com", "https://*.example.com"),
        ("https://evil.example\\.example.com", "https://*.example.com"),
        ("https://evil.example:1.example.com", "https://*.example.com"),
        ("https://evil.example%00.example.com", "https://*.example.com"),
        ("https://evil.example\n.example.com", "https://*.example.com"),
        ("https://evil.example .example.com", "https://*.example.com"),
        ("https://app.example.com\n", "https://app.example.com"),
        ("https://app.example.com/", "https://app.example.com"),
        ("https://app.example.com, https://evil.example", "https://app.example.com*"),
        ("https://user:pass@app.example.com", "https://*app.example.com"),
        ("https://app.example.com@evil.example", "https://app.example.com*"),
        ("https://app.example.com:99999999@evil.example", "https://app.example.com:*"),
        ("https://\N{KELVIN SIGN}.example.com", "https://k.example.com"),
        ("https://app.example.com", "app.example.com"),
        ("https://app.example.com", ""),
        ("null", "https://*"),
        ("null", "*://*"),
        ("null", "null"),
        ("file://", "file://*"),
    ],
)
def test_not_allowed_by_a_pattern(origin: str, pattern: str) -> None:
    """Nothing that only resembles an allowed origin gets in: other schemes, ports, suffixes, users, paths, "null"."""
    assert not is_allowed(origin, HOST, [pattern])


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "file://", "anything at all", "\N{KELVIN SIGN}"])
def test_everyone(origin: str) -> None:
    """A single star lets every page in, even one that cannot say where it is from."""
    assert is_allowed(origin, HOST, ["https://app.example.com", "*"])


@pytest.mark.parametrize("pattern", ["https://app.(example|evil).com", "https://app.[a-z]*.com", "https://app.+"])
def test_patterns_are_no_regular_expressions(pattern: str) -> None:
    """Only * and ? mean anything; every other character stands for itself."""
    assert not is_allowed("https://app.example.com", HOST, [pattern])


@given(st.text(), st.text())
def test_garbage(origin: str, host: str) -> None:
    """No header raises, and none that is not an origin gets in below a domain."""
    assert is_allowed(origin, host, ["https://*.example.com"]) in (True, False)
    if "://" not in origin and origin:
        assert not is_allowed(origin, host, ["https://*.example.com", "*://*"])
