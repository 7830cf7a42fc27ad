"""What both publishers are made of: a destination, and the front through which their calls go."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidings.app.publisher.destination import destination
from tidings.app.publisher.front import Front, Statistics
from tidings.errors import InternalError

if TYPE_CHECKING:
    from tidings.app.settings import Settings

TIMEOUT = 5.0
QUEUE_LIMIT = 10_000
QUEUE_LIMIT_BYTES = 16 * 2**20


class Publishing:
    """See `Publisher` for what the arguments mean."""

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        settings: Settings | Mapping[str, Any] | Path | str | None = None,
        timeout: float = TIMEOUT,
        verify: ssl.SSLContext | Path | str | None = None,
        trust_env: bool = True,
        queue_limit: int = QUEUE_LIMIT,
        queue_limit_bytes: int = QUEUE_LIMIT_BYTES,
    ) -> None:
        where = destination(
            url,
            key=key,
            settings=settings,
            verify=verify,
            trust_env=trust_env,
            timeout=timeout,
            queue_limit=queue_limit,
        )
        self._front = Front(where, timeout=timeout, queue_limit=queue_limit, queue_limit_bytes=queue_limit_bytes)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} to {self._front.destination.name}>"

    def statistics(self) -> Statistics:
        """How many calls wait, are under way, were published and have failed in this process."""
        return self._front.statistics()

    def _patience(self, timeout: float | None) -> float:
        return self._front.timeout if timeout is None else timeout


def late(timeout: float) -> InternalError:
    return InternalError(f"not everything is published after {timeout:g} s")
