"""The installed release of floorcast."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

__all__ = ["release"]


def release() -> str:
    """Return the version of the installed package, such as ``1.2.0``."""
    try:
        return version("floorcast")
    except PackageNotFoundError:
        return "(not installed)"
