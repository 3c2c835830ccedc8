"""Tests of files that only their owner can read."""

from __future__ import annotations

import os
from pathlib import Path

from floorcast.model.private_files import make_private, open_private


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_new_and_existing_files_become_private(tmp_path: Path) -> None:
    """Files beside the file become private if they exist."""
    file, beside, missing = tmp_path / "file", tmp_path / "beside", tmp_path / "missing"
    beside.touch(0o644)
    make_private(file, beside, missing)
    assert (mode(file), mode(beside), missing.exists()) == (0o600, 0o600, False)
    file.chmod(0o664)
    make_private(file)
    assert mode(file) == 0o600


def test_a_folder_keeps_its_mode(tmp_path: Path) -> None:
    """Without its x bits, nobody but root could use it any more."""
    tmp_path.chmod(0o755)
    make_private(tmp_path)
    assert mode(tmp_path) == 0o755


def test_an_opened_file_is_created_for_its_owner(tmp_path: Path) -> None:
    """The mode of an existing file does not change, and the umask of the process has no effect."""
    for name in ("new", "old"):
        os.close(open_private(tmp_path / name, os.O_WRONLY))
    (tmp_path / "old").chmod(0o640)
    os.close(open_private(tmp_path / "old", os.O_WRONLY))
    assert (mode(tmp_path / "new"), mode(tmp_path / "old")) == (0o600, 0o640)
