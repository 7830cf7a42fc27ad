"""What a setting can be: counts, seconds, words. And what a section of them is.

A value comes from a TOML file with a type of its own, or as text from the environment; both are understood.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from tidings.app.settings import masking


class Section(BaseModel):
    """A table of the settings file. Keys that it does not have are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """What a traceback or a log may show of it."""
        return ((name, masking.shown(value)) for name, value in super().__repr_args__())


def _number(value: Any) -> Any:
    # pydantic takes true for 1, which is never what `port = true` meant. As text it is refused.
    return str(value) if isinstance(value, bool) else value


def _words(value: Any) -> Any:
    """The environment's forms of a list: `a, b`, or JSON for those who are used to it."""
    if not isinstance(value, str):
        return value
    if value.startswith("["):
        return json.loads(value)
    return [word.strip() for word in value.split(",") if word.strip()]


Whole = Annotated[int, BeforeValidator(_number)]
Count = Annotated[int, BeforeValidator(_number), Field(ge=0)]
Amount = Annotated[int, BeforeValidator(_number), Field(ge=1)]
"""A count of which there must be one."""

Seconds = Annotated[float, BeforeValidator(_number), Field(ge=0)]
Duration = Annotated[float, BeforeValidator(_number), Field(gt=0)]
"""Seconds that must pass."""

Ratio = Annotated[float, BeforeValidator(_number), Field(ge=0, le=1)]
"""A part of something; 1 is all of it."""

Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
