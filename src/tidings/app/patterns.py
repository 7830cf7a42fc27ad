"""Patterns of channel names, such as "orders:{order_id}".

A name in braces stands for any text without a colon, at least one character of it. Everything else stands for itself,
except for braces, which stand around names only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_PARAMETER = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)\}")


class Pattern:
    """A compiled pattern. Raises `ValueError` for one that could not mean what it says."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.parameters: tuple[str, ...] = tuple(_PARAMETER.findall(text))
        if len(set(self.parameters)) != len(self.parameters):
            raise ValueError(f"the pattern {text!r} uses a name twice")
        literals = _PARAMETER.split(text)[::2]
        if any(brace in literal for literal in literals for brace in "{}"):
            raise ValueError(f"the pattern {text!r} has braces around something that is not a name")
        names = iter(self.parameters)
        expression = re.escape(literals[0])
        for literal in literals[1:]:
            expression += f"(?P<{next(names)}>[^:]+)" + re.escape(literal)
        self._expression = re.compile(expression)

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"

    def match(self, channel: str) -> Mapping[str, str] | None:
        """The values of the parameters, or None where the channel does not fit."""
        match = self._expression.fullmatch(channel)
        return match.groupdict() if match else None
