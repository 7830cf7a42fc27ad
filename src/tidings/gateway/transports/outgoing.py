"""The client for what we ask of others over HTTP."""

from __future__ import annotations

from typing import Any

import httpx2


class HttpClient(httpx2.AsyncClient):
    """One whose failures are all `httpx2.HTTPError`.

    A connection that is reset as soon as it was made has no socket any more under uvloop, which the layers below would
    report as an `AttributeError`. Nothing was sent then, so it is a `ConnectError`.
    """

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        try:
            return await super().send(request, **options)
        except AttributeError as error:
            if error.name != "getpeername":
                raise
            raise httpx2.ConnectError("the connection was reset as soon as it was made", request=request) from error
