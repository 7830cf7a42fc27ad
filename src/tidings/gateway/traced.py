"""Clients' commands as spans: one for each command that has to wait, from its first question to its reply.

A command is the first span of a trace, whatever the connection was opened in: a client sends no `traceparent`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Protocol

from tidings.errors import InternalError, TidingsError
from tidings.traces import Kind, Span, Tracer


class Commands(Protocol):
    """Follows the commands of a connection, one after the other."""

    def go_on(self, method: str, command: object) -> None:
        """A question is about to be asked for `command`, which may be another one than before."""

    def hear(self, answer: object) -> None:
        """The answer is there."""


class _Untraced:
    def go_on(self, method: str, command: object) -> None: ...

    def hear(self, answer: object) -> None: ...


class _Traced:
    def __init__(self, tracer: Tracer, client: str) -> None:
        self._tracer = tracer
        self._client = client
        self._command: object = None
        self._span: Span | None = None

    def __enter__(self) -> _Traced:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end(kind, error, traceback)

    def go_on(self, method: str, command: object) -> None:
        if command is not self._command:
            self._end()
            self._command = command
            self._span = self._tracer.root(f"client {method}", Kind.SERVER, {"tidings.client": self._client})
            self._span.__enter__()

    def hear(self, answer: object) -> None:
        if self._span is not None and isinstance(answer, TidingsError):
            self._span.note({"tidings.code": answer.code})
            if isinstance(answer, InternalError):
                self._span.fail(str(answer.code))

    def _end(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        if self._span is not None:
            self._span.__exit__(kind, error, traceback)
            self._span = None


_UNTRACED: AbstractContextManager[Commands] = nullcontext(_Untraced())


def commands(tracer: Tracer | None, client: str) -> AbstractContextManager[Commands]:
    """A block in which the commands of a connection are answered."""
    return _UNTRACED if tracer is None else _Traced(tracer, client)
