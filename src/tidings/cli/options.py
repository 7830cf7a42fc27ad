"""Options that every command has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The settings. \\[default: $TIDINGS_CONFIG, then ./tidings.toml]"),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the traceback of a failure.")]
