"""The command that looks at the broker."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import textwrap
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from tidings.app import build
from tidings.app.settings import Settings
from tidings.cli.options import Config, Verbose
from tidings.clock import SystemClock
from tidings.errors import SettingsError

if TYPE_CHECKING:
    from tidings.brokers.redis.diagnosis import Finding

INDENT = " " * 9
COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


def doctor(
    broker: Annotated[
        str | None, typer.Option(metavar="URL", help="The broker. \\[default: that of the settings]")
    ] = None,
    config: Config = None,
    verbose: Verbose = False,
) -> int:
    """Look at the broker, and say what is unsafe about it and what to do.

    Asks every server behind the URL whether it can be reached, for version
    and role, whether the user may do all that is needed, what survives a
    restart, what happens when memory is full, and for buffers, clocks,
    sentinels and slots. Nothing is changed: permissions are tried on keys of
    its own under the prefix, which it removes.

    Prints one finding per line: ok, warning or problem. Exits with 1 when
    there is a problem, otherwise with 0.
    """
    settings = Settings.load(config, overrides={"broker.url": broker})
    scheme = settings.broker.url.partition("://")[0]
    build.broker(settings, SystemClock())  # Connects to nothing, and says what is wrong with the URL.
    if scheme == "memory":
        print("memory:// is this process's own memory: there is no server to look at.")
        return 0
    if not scheme.startswith("redis"):
        raise SettingsError(
            f"there is nothing to ask a broker of {scheme}:// yet; doctor knows redis:// and memory://."
        )
    from tidings.brokers.redis import parse
    from tidings.brokers.redis.diagnosis import examine, judge

    findings = judge(asyncio.run(examine(parse(settings.broker.url), prefix=settings.broker.prefix)))
    for finding in findings:
        print(_shown(finding))
    counts = Counter(finding.level.value for finding in findings)
    print(f"\n{_counted(counts['problem'], 'problem')}, {_counted(counts['warning'], 'warning')}.")
    return 1 if counts["problem"] else 0


def _shown(finding: Finding) -> str:
    """One line; on a terminal folded to its width, with the level in colour."""
    if not sys.stdout.isatty():
        return str(finding)
    width = shutil.get_terminal_size().columns
    folded = textwrap.fill(str(finding), width, subsequent_indent=INDENT, break_on_hyphens=False)
    level = finding.level.value
    if "NO_COLOR" in os.environ:
        return folded
    return typer.style(level, fg=COLOURS[level], bold=level != "ok") + folded[len(level) :]


def _counted(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"
