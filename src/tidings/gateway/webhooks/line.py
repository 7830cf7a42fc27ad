"""The HTTP side of an endpoint: one address, its own connections, answers of bounded length.

The address comes from the settings as a whole; nothing of a client is ever part of it. Redirects are not followed,
proxies of the environment are not used, and certificates are verified over TLS 1.2 or newer. Cookies that an answer
sets are forgotten: the next call is about somebody else.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2
from msgspec import Struct

from tidings.gateway.transports import encryption
from tidings.gateway.transports.outgoing import LIMIT, HttpClient, Unreadable
from tidings.gateway.webhooks.headers import Header
from tidings.gateway.webhooks.terms import CallFailed, Outcome, Terms

KEEP_ALIVE = 1.5
"""Seconds for which an idle connection is kept. Servers keep theirs for 2 s and more, so a call does not meet one that
is just being closed."""


class Response(Struct, frozen=True):
    status: int
    body: bytes
    fault: str = ""
    """What is wrong with the body, which is then not all there. It does not matter to whom the status says enough."""


class Line:
    """Raises `OSError` and `ssl.SSLError` where the certificates of `terms.ca_file` cannot be read."""

    def __init__(self, terms: Terms) -> None:
        self._url = terms.url
        self._limit = terms.answer_limit_bytes
        self._client = HttpClient(
            verify=encryption.outward(terms.ca_file) if terms.url.startswith("https:") else False,
            trust_env=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            timeout=None,  # The caller has one over all of it.
            limits=httpx2.Limits(
                max_connections=terms.concurrency,
                max_keepalive_connections=terms.concurrency,
                keepalive_expiry=KEEP_ALIVE,
            ),
        )

    async def post(self, body: bytes, headers: Sequence[Header]) -> Response:
        """Raises `CallFailed`, `UNREACHABLE`."""
        limit = {LIMIT: self._limit}
        try:
            answer = await self._client.post(self._url, content=body, headers=list(headers), extensions=limit)
        except Unreadable as error:
            return Response(error.response.status_code, b"", error.why)
        except (httpx2.HTTPError, ssl.SSLError, OSError) as error:
            raise CallFailed(Outcome.UNREACHABLE, f"cannot be reached: {_reason(error)}") from error
        return Response(answer.status_code, answer.content)

    async def close(self) -> None:
        await self._client.aclose()


def _reason(error: Exception) -> str:
    """Of a failure that was wrapped, the first cause tells most."""
    while isinstance(error.__cause__ or error.__context__, Exception):
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return str(error) or type(error).__name__
