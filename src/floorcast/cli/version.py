"""``floorcast version``."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("version")(show_version)


def show_version() -> None:
    """Print the versions of floorcast and of its Python."""
    try:
        ours = version("floorcast")
    except PackageNotFoundError:
        ours = "(not installed)"
    print(f"floorcast {ours} on Python {platform.python_version()}")
