"""The installed release of floorcast."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

__all__ = ["release"]


def release() -> str:
    """The version of the installed package, like ``1.2.0``."""
    try:
        return version("floorcast")
    except PackageNotFoundError:
        return "(not installed)"
