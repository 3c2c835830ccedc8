"""Tests of the program's version."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest

from floorcast.server import release


def test_the_version_comes_from_the_installed_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The version comes from the package's metadata."""
    monkeypatch.setattr(release, "version", lambda name: {"floorcast": "1.2.3"}[name])
    assert release.release() == "1.2.3"


def test_a_program_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the program runs from its source folder, it says that it is not installed."""

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(release, "version", missing)
    assert release.release() == "(not installed)"
