"""Notices mocks: who makes or uses one while `Watch` is on, and where.

Wrapped are, while it is on and not a moment longer: the construction and the call of every `unittest.mock` object,
`patch` in all its forms, and pytest's `monkeypatch`. What is built on them, such as pytest-mock, is noticed with them.
The wrappers call what they wrap and change nothing about it.

Not noticed is what leaves no trace to wrap: a plain assignment to an attribute of a module, a fake that is an ordinary
class, and the reading of a mock's attributes where it was made before the tests. Environment variables and the working
directory are settings, so `setenv` and `chdir` are no mocks.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

import pytest

MACHINERY = ("_pytest", "pytest_asyncio", "anyio")
"""Who patches while running tests, as a part of running them."""

LOOPS = ("asyncio", "uvloop", "threading", "concurrent")
"""Who calls what a test has handed over, so that no line of the test is left."""

BETWEEN = ("unittest", "mock", "pytest_mock", "contextlib", "functools", "tidings.testing.plugin")
"""Who may stand between a mock and the line of the test that wanted it."""

LIBRARIES = ("unittest.mock", "mock.mock")
"""The standard library's, and the same as a package of its own."""


@dataclass(frozen=True, slots=True)
class Use:
    """One mock: what it is, and the file and line that wanted it; "" where that is not known."""

    what: str
    file: str
    line: int


class Watch:
    """Tells `notice` of every mock between `install` and `remove`."""

    def __init__(self, notice: Callable[[Use], None]) -> None:
        self._notice = notice
        self._undo: list[tuple[Any, str, Any]] = []
        self._made: dict[int, weakref.ref[Any]] = {}
        self._inside = threading.local()

    def install(self) -> None:
        __import__("unittest.mock")
        for name in LIBRARIES:
            if (library := sys.modules.get(name)) is not None:
                self._wrap(library.NonCallableMock, "__init__", self._making)
                self._wrap(library.CallableMixin, "__call__", self._calling)
                self._wrap(library._patch, "__enter__", self._patching)
                self._wrap(library._patch_dict, "_patch_dict", self._patching_dict)
        for name in ("setattr", "delattr", "setitem", "delitem"):
            self._wrap(pytest.MonkeyPatch, name, functools.partial(self._monkeypatching, name))

    def remove(self) -> None:
        while self._undo:
            setattr(*self._undo.pop())

    def _wrap(self, owner: Any, name: str, step: Callable[..., Any]) -> None:
        original = owner.__dict__[name]

        @functools.wraps(original)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            return step(original, *args, **kwargs)

        self._undo.append((owner, name, original))
        setattr(owner, name, wrapper)

    # What is wrapped, each with what it wraps as its first argument.

    def _making(self, original: Callable[..., None], mock: Any, /, *args: Any, **kwargs: Any) -> None:
        original(mock, *args, **kwargs)
        self._made[id(mock)] = weakref.ref(mock, functools.partial(self._forget, id(mock)))
        # Attributes of a mock are mocks as well; the one that the test has made is enough to tell of.
        if _parent(mock) is None:
            self._tell(f"unittest.mock.{type(mock).__name__}")

    def _calling(self, original: Callable[..., Any], mock: Any, /, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        if id(_root(mock)) not in self._made:
            self._tell(f"unittest.mock.{type(mock).__name__}, made before the test")
        return original(mock, *args, **kwargs)

    def _patching(self, original: Callable[..., Any], patch: Any) -> Any:
        with _Silence(self._inside):
            replaced = original(patch)
        self._tell(f"patch of {_name(patch.target)}.{patch.attribute}")
        return replaced

    def _patching_dict(self, original: Callable[..., Any], patch: Any) -> Any:
        with _Silence(self._inside):
            replaced = original(patch)
        if patch.in_dict is not os.environ:
            self._tell("patch.dict")
        return replaced

    def _monkeypatching(self, method: str, original: Callable[..., Any], own: Any, /, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        target = args[0] if args else kwargs.get("target", kwargs.get("dic"))
        if target is not os.environ or "attr" in method:
            name = args[1] if len(args) > 1 else kwargs.get("name")
            attribute = f".{name}" if isinstance(name, str) else ""
            self._tell(f"monkeypatch.{method} of {_name(target)}{attribute if 'attr' in method else ''}")
        return original(own, *args, **kwargs)

    def _forget(self, key: int, _: object) -> None:
        self._made.pop(key, None)

    def _tell(self, what: str) -> None:
        if getattr(self._inside, "depth", 0):
            return
        frames = list(_callers(sys._getframe(2)))
        if frames and _is_of(MACHINERY, frames[0]):
            return
        through = " through pytest-mock" if any(_is_of(("pytest_mock",), frame) for frame in frames) else ""
        place = next((frame for frame in frames if not _is_of(BETWEEN, frame)), None)
        if place is None or _is_of((*MACHINERY, *LOOPS), place):
            self._notice(Use(what + through, "", 0))
        else:
            self._notice(Use(what + through, place.f_code.co_filename, place.f_lineno))


class _Silence:
    """What a patch does inside is the patch's."""

    def __init__(self, inside: threading.local) -> None:
        self._inside = inside

    def __enter__(self) -> None:
        self._inside.depth = getattr(self._inside, "depth", 0) + 1

    def __exit__(self, *_: object) -> None:
        self._inside.depth -= 1


def _callers(frame: FrameType | None) -> Iterator[FrameType]:
    """The frames from here to pytest, ours left out."""
    while frame is not None:
        if not _is_of(("tidings.testing.plugin",), frame):
            yield frame
        if _is_of(MACHINERY, frame):
            return
        frame = frame.f_back


def _is_of(packages: tuple[str, ...], frame: FrameType) -> bool:
    name = frame.f_globals.get("__name__", "")
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _parent(mock: Any) -> Any:
    parent = mock.__dict__.get("_mock_parent")
    return mock.__dict__.get("_mock_new_parent") if parent is None else parent


def _root(mock: Any) -> Any:
    while (parent := _parent(mock)) is not None:
        mock = parent
    return mock


def _name(target: Any) -> str:
    if isinstance(target, str):
        return target
    own: str = getattr(target, "__qualname__", None) or getattr(target, "__name__", None) or type(target).__name__
    module = getattr(target, "__module__", None)
    return f"{module}.{own}" if isinstance(module, str) and isinstance(target, type) else own
