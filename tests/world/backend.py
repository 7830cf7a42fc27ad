"""The application's own server: signs tokens with PyJWT, and calls the HTTP API with httpx2."""

from __future__ import annotations

import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

import httpx2
import jwt
from tests.world.settings import KEY, SECRET

HOUR = 3600.0


def token(user: str, *, ttl: float = HOUR, secret: str = SECRET, **claims: Any) -> str:
    """A connection token, or with the claim `channel` a subscription token. A negative `ttl` makes an expired one."""
    return jwt.encode({"sub": user, "exp": time.time() + ttl, **claims}, secret, algorithm="HS256")


class Backend:
    """Calls methods of the HTTP API: `backend.publish(channel="news", data=1)` returns the result."""

    def __init__(self, url: str) -> None:
        self._http = httpx2.Client(base_url=f"{url}/api/", headers={"X-API-Key": KEY}, timeout=10.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.close()

    def call(self, method: str, **request: Any) -> dict[str, Any]:
        """The result of a method. Anything but a result is an error."""
        answer = self._post(method, request)
        assert "result" in answer, f"{method}: {answer}"
        result: dict[str, Any] = answer["result"]
        return result

    def publish(self, channel: str, data: Any, **options: Any) -> dict[str, Any]:
        return self.call("publish", channel=channel, data=data, **options)

    def publish_all(self, channel: str, values: Iterable[Any]) -> None:
        """Publish many at once."""
        commands = [{"publish": {"channel": channel, "data": value}} for value in values]
        replies = self._post("batch", {"commands": commands})["replies"]
        assert all("publish" in reply for reply in replies), replies

    def batch(self, commands: list[dict[str, Any]]) -> None:
        """Carry out many commands, none of which may fail."""
        replies = self._http.post("batch", json={"commands": commands}).json()["replies"]
        assert len(replies) == len(commands) and not any("error" in reply for reply in replies), replies

    def disconnect(self, user: str, code: int, reason: str) -> None:
        self.call("disconnect", user=user, disconnect={"code": code, "reason": reason})

    def _post(self, method: str, body: Any) -> dict[str, Any]:
        response = self._http.post(method, json=body)
        assert response.status_code == 200, f"{method}: {response.status_code} {response.text}"
        answer: dict[str, Any] = response.json()
        return answer
