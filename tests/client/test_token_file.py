"""Tests of a token that is stored on disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from floorcast.client import TokenFile
from floorcast.model.errors import SettingError
from tests.real.server import environment


def test_last_saved_token_is_loaded(tmp_path: Path) -> None:
    """Another object loads it, as the next run would. Before the first save, there is no token."""
    path = tmp_path / "token"
    assert TokenFile(path).load() is None
    for token in ("t1", "cfaf0a70-1c52-11e6-8080-808080808080+cid=1:aid=2:time=3:seq=4"):
        TokenFile(path).save(token)
        assert TokenFile(str(path)).load() == token
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["token"]


def test_failed_save_keeps_the_previous_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A save that fails midway leaves the file whole and unchanged."""
    path = tmp_path / "token"
    TokenFile(path).save("t1")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SettingError, match="cannot be written: No space left"):
        TokenFile(path).save("t2")
    assert TokenFile(path).load() == "t1"


SAVES = """
import sys
from floorcast.client import TokenFile
store, number = TokenFile(sys.argv[1]), 0
while True:
    number += 1
    store.save("t" * 40 + str(number))
    print(number, flush=True)
"""


def test_kill_during_save_leaves_a_complete_token(tmp_path: Path) -> None:
    """The file has the last saved token or the one being saved."""
    path = tmp_path / "token"
    for lines in (1, 7, 30):
        arguments = [sys.executable, "-c", SAVES, str(path)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment()) as saver:
            assert saver.stdout is not None
            for _ in range(lines):
                saver.stdout.readline()
            saver.send_signal(signal.SIGKILL)
            last = lines + len(saver.stdout.read().split())
        token = TokenFile(path).load() or ""
        assert int(token.removeprefix("t" * 40)) in {last, last + 1}


@pytest.mark.parametrize("content", [b"\xff\x00", b"two\nlines", b"x" * 5000])
def test_file_with_other_content_is_refused(tmp_path: Path, content: bytes) -> None:
    """If a wrong file name made the reader start from now, events would be silently lost."""
    path = tmp_path / "notes"
    path.write_bytes(content)
    with pytest.raises(SettingError, match="does not hold a token"):
        TokenFile(path).load()


def test_unreadable_file_is_refused(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(SettingError, match="cannot be read: Is a directory"):
        TokenFile(tmp_path).load()
    with pytest.raises(SettingError, match="cannot be written"):
        TokenFile(tmp_path / "missing" / "token").save("t")
