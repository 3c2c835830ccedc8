"""Tests of the version that the program prints."""

from __future__ import annotations

import platform

from typer.testing import CliRunner

from floorcast.cli.app import app
from floorcast.server.release import release


def test_program_and_python_versions_are_printed() -> None:
    """The command and the option print the program's version and that of Python."""
    for words in (["version"], ["--version"]):
        result = CliRunner().invoke(app, words)
        assert result.stdout == f"floorcast {release()} on Python {platform.python_version()}\n"
