"""Where settings come from: layers of values, the later above the earlier.

    file           [client] ping_interval = 30
    environment    TIDINGS_CLIENT__PING_INTERVAL=30
    overrides      {"client": {"ping_interval": 30}}, from the command line or an application

Each layer remembers how its values are called where they stand, so that a complaint can name them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from tidings.app.settings.sections import SECTIONS
from tidings.errors import SettingsError

PREFIX = "TIDINGS_"
DELIMITER = "__"
CONFIG_VARIABLE = "TIDINGS_CONFIG"
DEFAULT_FILE = Path("tidings.toml")

SURROGATE = re.compile("[\ud800-\udfff]")

Place = tuple[str, ...]
"""Where a value stands: section, perhaps tables within it, key."""

Table = Mapping[str, Any]


class Layer(Protocol):
    """Values from one origin, nested as in the file."""

    values: Table

    def name(self, place: Place) -> str:
        """What to call the origin of the value at `place`, which the layer has; "" for none worth a name."""


class File:
    """A TOML file. Raises `SettingsError` where it cannot be read or is not TOML."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.values: Table = _toml(path)

    def name(self, place: Place) -> str:
        return str(self.path)


class Environment:
    """Variables such as TIDINGS_CLIENT__PING_INTERVAL.

    Other variables with the prefix are none of ours, unless they are one underscore short of being one.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        values: dict[str, Any] = {}
        for variable, value in sorted(environ.items()):
            if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE:
                continue
            place = tuple(variable.removeprefix(PREFIX).lower().split(DELIMITER))
            if len(place) > 1:
                _put(values, place, value, variable)
            else:
                _refuse_lookalike(variable, value)
        self.values: Table = values

    def name(self, place: Place) -> str:
        """The variable that gives the value, the first one where `place` is a table."""
        value = find(self.values, place)
        while isinstance(value, dict):
            key, value = next(iter(value.items()))
            place = (*place, key)
        return _variable(place)


class Overrides:
    """Values given in the program. A None is a flag that was not given; "server.port" is short for a table."""

    def __init__(self, overrides: Table) -> None:
        values: dict[str, Any] = {}
        for name, value in _given(overrides).items():
            section, dot, key = name.partition(".")
            values = merged([values, {section: {key: value} if dot else value}])
        self.values: Table = values

    def name(self, place: Place) -> str:
        return ""


def stacked(path: Path | None, environ: Mapping[str, str], overrides: Table) -> list[Layer]:
    """All layers, the lowest first. The file is `path`, else the one that TIDINGS_CONFIG names, else ./tidings.toml."""
    above: list[Layer] = [Environment(environ), Overrides(overrides)]
    path = path or file_of(environ)
    return above if path is None else [File(path), *above]


def file_of(environ: Mapping[str, str]) -> Path | None:
    """The file that is read where none is named in the program. Raises `SettingsError` for one that is not there."""
    if named := environ.get(CONFIG_VARIABLE, ""):
        if not Path(named).exists():
            raise SettingsError(f"{CONFIG_VARIABLE} names {named}, which does not exist.")
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def merged(tables: Sequence[Table]) -> dict[str, Any]:
    """One table of several; the later wins, tables within are merged."""
    result: dict[str, Any] = {}
    for table in tables:
        for key, value in table.items():
            below = result.get(key)
            result[key] = merged([below, value]) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def find(table: Table, place: Place) -> Any:
    """The value at a place, None where there is none. TOML has no null, so None is never a value."""
    value: Any = table
    for key in place:
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    return value


def origin(layers: Sequence[Layer], place: Place) -> str:
    """What to begin a complaint with: where the value at `place` comes from, all of them if it is a table."""
    holders = [layer for layer in layers if find(layer.values, place) is not None]
    if holders and not isinstance(find(holders[-1].values, place), dict):
        holders = holders[-1:]
    names = [name for name in (layer.name(place) for layer in holders) if name]
    return f"{' and '.join(names)}: " if names else ""


def _toml(path: Path) -> Table:
    text = _text(path)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # "Invalid value (at line 3, column 5)", or "(at end of document)"
        problem, _, position = str(error).rpartition(" (at ")
        found = re.match(r"line (\d+)", position)
        line = found[1] if found else len(text.splitlines())
        raise SettingsError(f"{path}, line {line}: {problem[:1].lower()}{problem[1:]}.") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SettingsError(f"{path} does not exist.") from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} cannot be read: it is not UTF-8 text.") from error


def _put(values: dict[str, Any], place: Place, value: str, variable: str) -> None:
    table = values
    for depth, key in enumerate(place[:-1], start=1):
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise SettingsError(f"{variable}: {_variable(place[:depth])} is a value and cannot have keys of its own.")
    if SURROGATE.search(value):
        # How Python hands on bytes of the environment that it cannot decode.
        raise SettingsError(f"{variable} is not UTF-8 text.")
    table[place[-1]] = value


def _refuse_lookalike(variable: str, value: str) -> None:
    """Say so where TIDINGS_SERVER_PORT was meant to be TIDINGS_SERVER__PORT."""
    for section, model in SECTIONS.items():
        for key in model.model_fields:
            # Kubernetes itself sets TIDINGS_SERVER_PORT=tcp://… for a service that is called tidings-server.
            if variable == f"{PREFIX}{section}_{key}".upper() and not value.startswith("tcp://"):
                raise SettingsError(f"{variable} is not a setting; did you mean {_variable((section, key))}?")


def _variable(place: Place) -> str:
    return PREFIX + DELIMITER.join(place).upper()


def _given(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {key: _given(inner) for key, inner in value.items() if inner is not None}
