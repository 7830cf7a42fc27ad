"""The command that starts a server."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from tidings.app import lifecycle
from tidings.app import workers as several
from tidings.app.doctor import configuration
from tidings.app.settings import Settings
from tidings.app.tidings import Tidings
from tidings.cli import playground
from tidings.cli.options import Config, Verbose
from tidings.findings import Level
from tidings.observability import logs
from tidings.version import __version__


def _port(value: int | None) -> int | None:
    if value is not None and not 0 <= value <= 65535:
        raise typer.BadParameter(f"{value} is not a port, which are 0 to 65535.")
    return value


def _workers(value: int | None) -> int | None:
    if value is not None and value < 1:
        raise typer.BadParameter(f"{value} is too few: there has to be one.")
    return value


def serve(
    host: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="The address to listen on. \\[default: 127.0.0.1]")
    ] = None,
    port: Annotated[
        int | None, typer.Option(metavar="PORT", callback=_port, help="The port; 0 is any. \\[default: 8000]")
    ] = None,
    broker: Annotated[str | None, typer.Option(metavar="URL", help="The broker. \\[default: memory://]")] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", callback=_workers, help="Processes on one port. \\[default: 1]")
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Serve a page to play with, on this machine only.")] = False,
    config: Config = None,
    verbose: Verbose = False,
) -> None:
    """Start a server.

    With --workers N and a broker that processes share, redis://localhost for
    one, N processes listen on the port. One that dies is replaced.

    The first Ctrl-C, or SIGTERM, sends all clients away and exits with 0; the second exits at once.
    """
    flags = {"server.host": host, "server.port": port, "server.workers": workers, "broker.url": broker}
    settings = Settings.load(config, overrides=flags)
    if demo:
        settings = Settings.load(config, overrides={**flags, **playground.additions(settings)})
    logs.configure(settings.log.format, settings.log.level)
    bound = lifecycle.bind_all(settings)
    base = settings.server.url(bound[0].getsockname()[1])

    internal = settings.server.internal_url(bound[-1].getsockname()[1])

    def make_hub(settings: Settings) -> Tidings:
        return Tidings(settings=settings, extra_routes=playground.page(settings, base) if demo else ())

    def on_ready() -> None:
        _welcome(settings, base, internal, demo=demo)

    if settings.server.workers > 1:
        several.serve(settings, make_hub, bound, on_ready)
    else:
        lifecycle.serve(make_hub(settings), bound, on_ready)


def _welcome(settings: Settings, base: str, internal: str, *, demo: bool) -> None:
    console = Console(highlight=False)
    console.print(f"[bold]Tidings {__version__}[/bold] is listening on {base}")
    if internal != base:
        console.print(f"Back ends and operators find the API, metrics and health on {internal}", soft_wrap=True)
    if demo:
        console.print(f"\nOpen [bold cyan]{base}[/bold cyan] in a browser or two, then publish from a terminal:\n")
        # One physical line at any width, so that it can be pasted.
        print(playground.curl(base, settings.api.secret))
        console.print("\nCtrl-C stops.")
        return
    for finding in configuration.judge(settings):
        if finding.level is Level.PROBLEM and finding.subject == "secrets":
            console.print(f"{finding.text} `tidings doctor` looks at the rest.", markup=False, soft_wrap=True)
    if not settings.api.secret and not settings.api.insecure:
        console.print("There is no \\[api] key, so back ends cannot publish yet; `tidings config init` makes one.")
    if not settings.lets_somebody_in:
        console.print("There is no key in \\[auth], so nobody can connect yet; `tidings config init` makes one.")
