"""The ``floorcast`` program: its own options, and how it reports errors."""

from __future__ import annotations

import errno
import signal
import sys
from typing import Annotated

import typer

from floorcast.cli import options
from floorcast.cli.commands import Commands
from floorcast.cli.status_line import discard_output, flush_or_discard
from floorcast.model.errors import FloorcastError

__all__ = ["app", "main"]

# disk full, over quota, over the file size limit
NO_ROOM_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _show_version(wanted: bool) -> None:
    if wanted:
        from floorcast.cli import version

        version.show_version()
        raise typer.Exit


app = typer.Typer(
    name="floorcast",
    cls=Commands,
    help=(
        "Real-time reporting for contact centers.\n\nEvery option can also be set in the "
        "environment (--time-zone as FLOORCAST_TIME_ZONE) or in floorcast.toml (time_zone)."
    ),
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help and one-line errors, the same on a terminal and in a log
    pretty_exceptions_enable=False,  # those tracebacks print local variables: keys, passwords
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def program(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Make the command read its options from the environment and the settings file."""
    options.load_option_values(context)


def main() -> None:
    """Run the program.

    Expected errors, including a full disk, are reported in one line on standard error, with exit
    code 1.
    """
    try:
        try:
            app(prog_name="floorcast")
        finally:
            flush_or_discard(sys.stderr)  # its failure is not the command's
            sys.stdout.flush()  # otherwise the interpreter reports a full disk when it exits
    except KeyboardInterrupt:  # even before the command has begun
        sys.exit(128 + signal.SIGINT)
    except FloorcastError as error:
        sys.exit(f"floorcast: {error}")
    except OSError as error:
        if error.errno not in {*NO_ROOM_ERRNOS, errno.EPIPE}:
            raise
        # At exit, Python would flush once more and fail again.
        discard_output(sys.stdout)
        sys.exit(1 if error.errno == errno.EPIPE else f"floorcast: {_no_room(error)}")


def _no_room(error: OSError) -> str:
    return f"{error.filename or 'the output'} cannot be written: {error.strerror}"
