"""Tests that a data folder belongs to one process at a time."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from floorcast.kv.folder import IN_MEMORY
from floorcast.log.data_folder import DataFolder, require_folder, require_log
from floorcast.model.errors import SettingError

HOLD = """
import sys
from pathlib import Path
from floorcast.log.data_folder import DataFolder
folder = DataFolder(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_folder_is_created(tmp_path: Path) -> None:
    """Its parent folders are created, too, and the folder is private to its owner."""
    path = tmp_path / "a" / "b"
    with DataFolder(path) as folder:
        assert folder.path == path
        assert path.stat().st_mode & 0o777 == 0o700


def test_error_names_the_process_that_holds_the_folder(tmp_path: Path) -> None:
    """The message names the folder and the process that holds it."""
    with DataFolder(tmp_path), pytest.raises(SettingError) as refused:
        DataFolder(tmp_path)
    assert str(tmp_path) in str(refused.value)
    assert f"in use by process {os.getpid()}:" in str(refused.value)
    DataFolder(tmp_path).release()


def test_killed_owner_releases_the_folder(tmp_path: Path) -> None:
    """The lock is released when its process ends, for any reason."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(SettingError, match=f"process {other.pid}:"):
            DataFolder(tmp_path)
        other.kill()
        other.wait()
        DataFolder(tmp_path).release()


def test_unusable_folder_is_an_error(tmp_path: Path) -> None:
    """A file with the name of the folder is an example."""
    file = tmp_path / "file"
    file.write_text("")
    for path in (file, file / "below"):
        with pytest.raises(SettingError, match="cannot be used"):
            DataFolder(path)
    with pytest.raises(SettingError, match="it is not a folder"):
        DataFolder(file)


def test_folder_that_cannot_be_examined_is_an_error(tmp_path: Path) -> None:
    """A name that is too long is an example. So is a folder below one that nobody may read."""
    (tmp_path / "file").write_text("")
    long = tmp_path / ("x" * 300)
    with pytest.raises(SettingError, match="cannot be used: File name too long"):
        DataFolder(long)
    for path, message in (
        (long, "cannot be used: File name too long"),
        (tmp_path / "file", "is not a folder"),
        (tmp_path / "file" / "below", "does not exist"),
        (tmp_path / "none", "does not exist"),
    ):
        with pytest.raises(SettingError, match=message):
            require_folder(path)


def test_second_release_does_nothing(tmp_path: Path) -> None:
    """The next owner is not affected."""
    first = DataFolder(tmp_path)
    first.release()
    with DataFolder(tmp_path):
        first.release()
        with pytest.raises(SettingError):
            DataFolder(tmp_path)


def test_new_folder_is_flushed_with_its_parents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a power cut could remove the folder with acknowledged events."""
    flushed: list[str] = []
    fsync = os.fsync

    def noted(file: int) -> None:
        flushed.append(str(Path(f"/proc/self/fd/{file}").readlink()))
        fsync(file)

    monkeypatch.setattr(os, "fsync", noted)
    with DataFolder(tmp_path / "a" / "b"):
        assert flushed == [str(tmp_path), str(tmp_path / "a"), str(tmp_path / "a" / "b")]


def test_full_disk_error_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the folder, and the lock is released."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(SettingError, match="cannot be written: No space left on device"):
            DataFolder(tmp_path)
    DataFolder(tmp_path).release()


def test_a_folder_without_a_log_is_explained(tmp_path: Path) -> None:
    """A wrong folder, a folder that no server has used, and memory have different messages."""
    with pytest.raises(SettingError, match=r"does not exist; did you mean another --data\?"):
        require_log(tmp_path / "typo")
    with pytest.raises(SettingError, match="holds no log: name the data folder with --data"):
        require_log(tmp_path)
    (tmp_path / "admin.db").touch()
    with pytest.raises(SettingError, match=r"no server has run on .* yet"):
        require_log(tmp_path)
    with pytest.raises(SettingError, match=":memory: belongs to a running server"):
        require_log(IN_MEMORY)
    (tmp_path / "log.db").touch()
    require_log(tmp_path)
