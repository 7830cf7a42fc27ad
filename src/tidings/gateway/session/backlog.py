"""Commands that came while another one waits for its answer: bounded in number, and in the bytes that brought them."""

from __future__ import annotations

from collections import deque

from tidings.gateway.session.policy import Rules
from tidings.wire.centrifuge.messages import Command


class CommandBacklog:
    """In the order in which they came. Most connections never have one."""

    __slots__ = ("_bytes", "_commands", "_rules")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._commands: deque[tuple[Command, int]] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._commands)

    def add(self, command: Command, size_bytes: int) -> bool:
        """Keep a command. Returns whether there was room for it."""
        self._bytes += size_bytes
        if len(self._commands) >= self._rules.command_queue_limit or self._bytes > self._rules.command_queue_bytes:
            return False
        self._commands.append((command, size_bytes))
        return True

    def pop(self) -> Command:
        """The oldest."""
        command, size_bytes = self._commands.popleft()
        self._bytes -= size_bytes
        return command
