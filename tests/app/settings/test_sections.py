"""What single sections know of themselves."""

from __future__ import annotations

import pytest

from tidings.app.settings.sections import Server

pytestmark = pytest.mark.core


@pytest.mark.parametrize(
    ("server", "port", "url"),
    [
        (Server(), None, "http://127.0.0.1:8000"),
        (Server(port=0), 40123, "http://127.0.0.1:40123"),
        (Server(host="::1"), None, "http://[::1]:8000"),
        (Server(tls_certificate="c.pem", tls_key="k.pem"), None, "https://127.0.0.1:8000"),
    ],
)
def test_where_a_server_is_found(server: Server, port: int | None, url: str) -> None:
    assert server.url(port) == url
