"""What all commands have in common: a `--help` that reads like documentation.

A flag takes nothing and an argument is described by its name, so neither shows a type. What an option takes is named by
its metavar.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption


class Command(TyperCommand):
    def get_params(self, ctx: Any) -> list[Any]:
        return list(_plain(super().get_params(ctx)))


class Group(TyperGroup):
    def get_params(self, ctx: Any) -> list[Any]:
        return list(_plain(super().get_params(ctx)))


def _plain(parameters: Iterable[Any]) -> Iterable[Any]:
    for parameter in parameters:
        if isinstance(parameter, TyperArgument) or (isinstance(parameter, TyperOption) and parameter.is_flag):
            # An empty metavar would do for a flag, but not for an argument, and not for --help, which is Typer's own.
            parameter.display_type_rich = _nothing  # type: ignore[method-assign]
        yield parameter


def _nothing(ctx: object) -> None:
    """No type."""
