"""Write, check and show the settings."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.syntax import Syntax

from tidings.app import build
from tidings.app.settings import Settings, template
from tidings.app.settings.layers import CONFIG_VARIABLE, DEFAULT_FILE, file_of
from tidings.cli.command import Command, Group
from tidings.cli.options import Config, Verbose
from tidings.errors import SettingsError

LOOKED_FOR = f"neither --config nor {CONFIG_VARIABLE} names one, and there is no ./{DEFAULT_FILE}"

app = typer.Typer(cls=Group, no_args_is_help=True, help=__doc__)


@app.command(cls=Command)
def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")] = Path("tidings.toml"),
    config: Config = None,
    verbose: Verbose = False,
) -> None:
    """Write a file with every setting, its default and its meaning, and with fresh secrets."""
    target = config or file
    text = template(hmac_secret=secrets.token_urlsafe(32), api_key=secrets.token_urlsafe(24))
    try:
        with target.open("x", encoding="utf-8") as new:
            target.chmod(0o600)
            new.write(text)
    except FileExistsError as error:
        raise SettingsError(f"{target} exists already; it is left as it is.") from error
    except OSError as error:
        raise SettingsError(f"cannot write {target}: {error.strerror}.") from error
    print(f"Wrote {target}, readable by you alone, since it holds secrets.")


@app.command(cls=Command)
def check(config: Config = None, verbose: Verbose = False) -> None:
    """Say whether the settings are right, and which; exit with 1 and one sentence where they are not."""
    file = config or file_of(os.environ)
    build.check(Settings.load(file))
    if file is None:
        print(f"No settings file was found ({LOOKED_FOR}); the defaults and the environment are right.")
    else:
        print(f"The settings of {file} and the environment are right.")


@app.command(cls=Command)
def show(config: Config = None, verbose: Verbose = False) -> None:
    """Show the settings that are in force, from all sources, as TOML with the secrets masked."""
    text = "\n".join(_tables(Settings.load(config).shown()))
    console = Console()
    if console.is_terminal:
        console.print(Syntax(text, "toml", theme="ansi_dark", background_color="default", word_wrap=True))
    else:
        print(text)


def _tables(values: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The lines of a table, then those of the tables in it. TOML writes our values as JSON does."""
    plain = {key: value for key, value in values.items() if not _inner(value)}
    if plain:
        yield f"[{path}]"
        yield from (f"{key} = {json.dumps(value)}" for key, value in plain.items())
        yield ""
    for key, value in values.items():
        for table in _inner(value):
            # The double bracket is the outer one: [[a.b]] begins an element of a list, and [a.b.c] a table within it.
            lines = _tables(table, f"{path}.{key}" if path else key)
            if isinstance(value, list):
                yield f"[{next(lines)}]"
            yield from lines


def _inner(value: Any) -> list[Mapping[str, Any]]:
    """The tables that a value is, or consists of."""
    tables = value if isinstance(value, list) else [value]
    return [table for table in tables if isinstance(table, Mapping)]
