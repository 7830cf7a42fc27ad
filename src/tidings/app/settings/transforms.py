"""What statuses of an endpoint mean to the client: the tables `[[proxy.….status_to_code_transforms]]`.

The environment has them as JSON, as Centrifugo's does: '[{"status_code": 404, "to_error": {"code": 1404}}]'.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from tidings.app.settings.fields import Section, Whole
from tidings.gateway.webhooks.terms import DISCONNECT_CODES, ERROR_CODES, Ending, Refusal


class ToError(Section):
    """An error, which the client gets."""

    code: Annotated[Whole, Field(ge=ERROR_CODES[0], le=ERROR_CODES[-1])]
    message: str = ""
    temporary: bool = False


class ToDisconnect(Section):
    """The end of the client's connection."""

    code: Annotated[Whole, Field(ge=DISCONNECT_CODES[0], le=DISCONNECT_CODES[-1])]
    reason: str = ""


class Transform(Section):
    """What one status means: one of both."""

    status_code: Annotated[Whole, Field(ge=200, le=599)]
    to_error: ToError | None = None
    to_disconnect: ToDisconnect | None = None

    @property
    def meaning(self) -> Refusal | Ending:
        """The same as the gateway takes it; only where one of both is there."""
        if self.to_error is not None:
            return Refusal(**self.to_error.model_dump())
        assert self.to_disconnect is not None
        return Ending(**self.to_disconnect.model_dump())


def _tables(value: Any) -> Any:
    try:
        tables = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        tables = None
    if not isinstance(tables, list | tuple):
        raise PydanticCustomError("tables_type", "not a list")
    return tables


Transforms = Annotated[tuple[Transform, ...], BeforeValidator(_tables)]
