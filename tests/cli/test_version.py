"""What the program says of itself."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError

import pytest
from typer.testing import CliRunner

from floorcast.cli import version
from floorcast.cli.app import app


def test_both_versions_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program's own, and the Python's that runs it."""
    monkeypatch.setattr(version, "version", lambda name: {"floorcast": "1.2.3"}[name])
    result = CliRunner().invoke(app, ["version"])
    assert result.stdout == f"floorcast 1.2.3 on Python {platform.python_version()}\n"


def test_a_program_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run from its source folder it has no version to tell."""

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(version, "version", missing)
    assert "floorcast (not installed)" in CliRunner().invoke(app, ["version"]).stdout
