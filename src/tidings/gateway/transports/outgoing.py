"""The client for what we ask of others over HTTP: whoever answers there costs us no more memory than we allow for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2

ANSWER_LIMIT_BYTES = 64 * 1024
"""The longest answer where nothing else is said: what we ask for is shorter, and so are most pages of an error."""

LIMIT = "tidings.answer_limit_bytes"
"""The extension of a request which says so: `client.get(url, extensions={LIMIT: 1000})`."""


class Unreadable(httpx2.RemoteProtocolError):
    """An answer that is too long, or compressed, which was not asked for: a few bytes could be any number of them.

    `response` has status and headers, and no body; `why` says it without "the answer".
    """

    def __init__(self, why: str, response: httpx2.Response) -> None:
        super().__init__(f"the answer {why}", request=response.request)
        self.why = why
        self.response = response


class HttpClient(httpx2.AsyncClient):
    """One whose failures are all `httpx2.HTTPError`, and which reads at most as much of an answer as it may.

    A connection that is reset as soon as it was made has no socket any more under uvloop, which the layers below would
    report as an `AttributeError`. Nothing was sent then, so it is a `ConnectError`.

    An answer that is longer is `Unreadable`, and its connection is given up. With `stream`, reading is the caller's.
    """

    def __init__(self, *, headers: Mapping[str, str] | None = None, **options: Any) -> None:
        super().__init__(headers={"accept-encoding": "identity", **(headers or {})}, **options)

    async def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
        try:
            response = await super().send(request, stream=True, **options)
        except AttributeError as error:
            if error.name != "getpeername":
                raise
            raise httpx2.ConnectError("the connection was reset as soon as it was made", request=request) from error
        if not stream:
            await _read(response, request.extensions.get(LIMIT, ANSWER_LIMIT_BYTES))
        return response


async def _read(response: httpx2.Response, limit: int) -> None:
    try:
        if response.headers.get("content-encoding", "").lower() not in ("", "identity"):
            raise Unreadable("is compressed", response)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Bounded(response, response.stream, limit)
        await response.aread()
    except BaseException:
        await response.aclose()
        raise


class _Bounded(httpx2.AsyncByteStream):
    """What comes of an answer, up to a limit."""

    def __init__(self, response: httpx2.Response, stream: httpx2.AsyncByteStream, limit: int) -> None:
        self._response = response
        self._stream = stream
        self._left = self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            self._left -= len(part)
            if self._left < 0:
                raise Unreadable(f"is longer than {self._limit} bytes", self._response)
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()
