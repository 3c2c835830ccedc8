"""``floorcast version``: prints the versions for a bug report."""

from __future__ import annotations

import platform

import typer

__all__ = ["register", "version_line"]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("version")(show_version)


def version_line() -> str:
    """Return the versions of floorcast and its Python, as needed in bug reports."""
    from floorcast.server.release import release

    return f"floorcast {release()} on Python {platform.python_version()}"


def show_version() -> None:
    """Print the versions of floorcast and its Python."""
    print(version_line())
