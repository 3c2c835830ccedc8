"""Skips tests that need programs, which some machines do not have."""

from __future__ import annotations

import shutil

import pytest

__all__ = ["needs"]


def needs(*programs: str) -> None:
    """Skip the test if one of the programs is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
