"""Programs that not every machine has."""

from __future__ import annotations

import shutil

import pytest

__all__ = ["needs"]


def needs(*programs: str) -> None:
    """Skip the test where one of them is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
