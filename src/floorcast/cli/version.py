"""``floorcast version``."""

from __future__ import annotations

import platform

import typer

__all__ = ["line", "register"]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("version")(show_version)


def line() -> str:
    """The versions of floorcast and of its Python, as needed in bug reports."""
    from floorcast.server.release import release

    return f"floorcast {release()} on Python {platform.python_version()}"


def show_version() -> None:
    """Print the versions of floorcast and of its Python."""
    print(line())
