"""The command that looks at an installation."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import textwrap
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from tidings.app import doctor as examination
from tidings.app.settings import Settings
from tidings.app.settings.layers import file_of
from tidings.cli.options import Config, Verbose
from tidings.errors import SettingsError
from tidings.findings import Finding, Level

INDENT = " " * 9
COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.PROBLEM: "red"}


def doctor(
    broker: Annotated[
        str | None, typer.Option(metavar="URL", help="The broker. \\[default: that of the settings]")
    ] = None,
    url: Annotated[
        str,
        typer.Option(
            metavar="URL", help="Where clients find the server. \\[default: where the settings say it listens]"
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document, for programs.")] = False,
    config: Config = None,
    verbose: Verbose = False,
) -> int:
    """Look at the whole installation, and say what is unsafe and what to do.

    In this order: the settings and how hard the secrets are to guess, the
    machine (open files, memory, processors), the certificate and its dates,
    whom the server calls (issuers of keys, webhooks, the collector of spans),
    the broker with all its servers (reachability, versions, permissions,
    persistence, eviction, buffers, clocks), the port, and the server itself:
    its health, its clock, what it sees through proxies, and a publication's
    whole way through API, broker and WebSocket, with the time that it takes.

    With --url the server is asked where clients find it, so that the proxies
    on the way are looked at, too. Where no server runs, one is started for a
    moment on a free port of this machine, with the broker of the settings.

    Nothing is changed: permissions are tried on keys of its own under the
    prefix, which it removes, and the round trip has a user of its own.

    Prints one finding per line: ok, warning or problem. Exits with 1 when
    there is a problem, otherwise with 0.
    """
    if url and not url.startswith(("http://", "https://")):
        raise SettingsError(f"--url must begin with http:// or https://, not be {url!r}.")
    settings = Settings.load(config, overrides={"broker.url": broker})
    return asyncio.run(_examine(settings, url, config or file_of(os.environ), as_json=as_json))


async def _examine(settings: Settings, url: str, file: Path | None, *, as_json: bool) -> int:
    findings: list[Finding] = []
    async for finding in examination.examine(settings, file=file, url=url):
        findings.append(finding)
        if not as_json:
            print(_shown(finding), flush=True)
    counts = Counter(finding.level for finding in findings)
    if as_json:
        print(json.dumps(_document(findings, counts), indent=2, ensure_ascii=False))
    else:
        print(f"\n{_counted(counts[Level.PROBLEM], 'problem')}, {_counted(counts[Level.WARNING], 'warning')}.")
    return 1 if counts[Level.PROBLEM] else 0


def _document(findings: list[Finding], counts: Counter[Level]) -> dict[str, object]:
    return {
        "problems": counts[Level.PROBLEM],
        "warnings": counts[Level.WARNING],
        "findings": [
            {"level": one.level.value, "where": one.where, "subject": one.subject, "text": one.text} for one in findings
        ],
    }


def _shown(finding: Finding) -> str:
    """One line; on a terminal folded to its width, with the level in colour."""
    if not sys.stdout.isatty():
        return str(finding)
    width = shutil.get_terminal_size().columns
    folded = textwrap.fill(str(finding), width, subsequent_indent=INDENT, break_on_hyphens=False)
    level = finding.level.value
    if "NO_COLOR" in os.environ:
        return folded
    return typer.style(level, fg=COLOURS[finding.level], bold=finding.level is not Level.OK) + folded[len(level) :]


def _counted(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"
