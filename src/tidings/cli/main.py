"""The `tidings` command."""

from __future__ import annotations

import sys
import traceback
from typing import NoReturn

import typer

from tidings.cli import config, doctor, publish, serve, test, token
from tidings.cli.command import Command, Group
from tidings.cli.options import Verbose
from tidings.errors import TidingsError
from tidings.version import __version__

app = typer.Typer(
    cls=Group,
    help="Events to people, the moment they happen: a real-time server for any back end.",
    epilog="Settings come from --config FILE, else $TIDINGS_CONFIG, else ./tidings.toml where it exists; then from "
    "variables such as TIDINGS_SERVER__PORT; then from flags.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(cls=Command)(serve.serve)
app.command(cls=Command)(token.token)
app.command(cls=Command)(publish.publish)
app.command(cls=Command)(doctor.doctor)
app.command(cls=Command)(test.test)
app.add_typer(config.app, name="config")


def version(show: bool) -> None:
    if show:
        print(__version__)
        raise typer.Exit


@app.callback()
def root(
    show_version: bool = typer.Option(False, "--version", callback=version, is_eager=True, help="Print the version."),
    verbose: Verbose = False,
) -> None: ...


def main() -> None:
    """Run the command. A failure is one line on the error output and exit code 1, or 2 for a wrong command line."""
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except typer.Abort:
        sys.exit(130)
    except typer.TyperException as error:
        _fail(getattr(error, "format_message", error.__str__)(), code=2)
    except TidingsError as error:
        _fail(error.message, code=1)
    except Exception as error:
        _fail(f"{type(error).__name__}: {error}. This should not have happened; -v shows where it did.", code=1)


def _fail(sentence: str, *, code: int) -> NoReturn:
    if {"-v", "--verbose"} & set(sys.argv):
        traceback.print_exc()
    if sentence:  # The help that stands for a missing command has said everything.
        print(f"tidings: {sentence}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
