"""Tests of the audit log: its contents, size, permissions and format."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.auth.audit_files import FILE_NAME, opened
from floorcast.auth.audit_log import MAX_CHANGES, AuditLog, AuditTuning, read
from floorcast.site.changes import Change
from tests.auth.auth_node import Clock
from tests.real.nodes import temporary_folder
from tests.search import tries


def lines(folder: Path) -> list[Mapping[str, object]]:
    """Return all events in the folder's audit log."""
    found, damaged = read(folder)
    assert damaged.total == 0
    return list(found)


def files(folder: Path) -> list[Path]:
    """Return the paths of the folder's audit log, oldest first."""
    with opened(folder) as found:
        return [one.path for one in found]


def test_each_line_is_a_json_object_with_a_timestamp(tmp_path: Path) -> None:
    """The time is UTC with milliseconds. Unknown members are omitted."""
    AuditLog(tmp_path, Clock()).record("login", client=1, name="reports", session=None)
    assert lines(tmp_path) == [
        {"at": "2023-11-14T22:13:20.000Z", "event": "login", "client": 1, "name": "reports"}
    ]


def test_nothing_is_written_without_a_folder(tmp_path: Path) -> None:
    """A server that keeps its data in memory writes no audit log."""
    audit = AuditLog(None)
    audit.record("login")
    audit.record_refusal("refused")
    audit.flush(everything=True)
    assert audit.last_event() == ""


def test_only_the_owner_can_read_the_log(tmp_path: Path) -> None:
    """New files are private, and existing ones are made private.

    Symbolic links are not followed.
    """
    audit = AuditLog(tmp_path)
    audit.record("start")
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600
    (tmp_path / FILE_NAME).chmod(0o644)
    audit.record("stop")
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / FILE_NAME).symlink_to(tmp_path / "elsewhere")
    AuditLog(tmp_path / "other").record("start")
    assert not (tmp_path / "elsewhere").exists()


def test_the_log_is_rotated_and_the_oldest_file_is_deleted(tmp_path: Path) -> None:
    """Each file has a maximum size, and a fixed number of valid files is kept."""
    audit = AuditLog(tmp_path, Clock(), AuditTuning(max_bytes=200, max_old_files=3))
    for number in range(50):
        audit.record("login", client=number)
    assert [path.name for path in files(tmp_path)] == [
        f"{FILE_NAME}.3",
        f"{FILE_NAME}.2",
        f"{FILE_NAME}.1",
        FILE_NAME,
    ]
    assert all(path.stat().st_size <= 200 for path in files(tmp_path))
    numbers = [line["client"] for line in lines(tmp_path)]
    assert numbers == list(range(50))[-len(numbers) :]


def test_lines_are_written_while_another_process_rotates_the_log(tmp_path: Path) -> None:
    """Writing does not wait for the lock, and the line is written to the current file."""
    audit = AuditLog(tmp_path, Clock(), AuditTuning(max_bytes=1))
    audit.record("login", client=0)
    with (tmp_path / FILE_NAME).open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        audit.record("login", client=1)
        assert [path.name for path in files(tmp_path)] == [FILE_NAME]
    audit.record("login", client=2)
    assert [line["client"] for line in lines(tmp_path)] == [0, 1, 2]


def test_processes_write_to_one_file_without_mixing_lines(tmp_path: Path) -> None:
    """A server and several commands append whole lines, even while the file is rotated."""
    script = (
        "import sys, pathlib\n"
        "from floorcast.auth.audit_log import AuditLog, AuditTuning\n"
        "tuning = AuditTuning(max_bytes=8000, max_old_files=9)\n"
        "audit = AuditLog(pathlib.Path(sys.argv[1]), tuning=tuning)\n"
        "for number in range(200):\n"
        "    audit.record('login', process=int(sys.argv[2]), number=number)\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path), str(number)])
        for number in range(3)
    ]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    written = [(line["process"], line["number"]) for line in lines(tmp_path)]
    assert sorted(written) == [(one, number) for one in range(3) for number in range(200)]


WRITER = """
import sys, pathlib
from floorcast.auth.audit_log import AuditLog, AuditTuning
audit = AuditLog(pathlib.Path(sys.argv[1]), tuning=AuditTuning(max_bytes=400))
for number in range(3000):
    audit.record('login', number=number)
"""


def test_the_log_is_read_completely_while_it_is_rotated(tmp_path: Path) -> None:
    """No line is missing, repeated or torn, and no file is missing, at any moment.

    Only the oldest lines go, with the oldest file.
    """
    found: list[list[int]] = [[]]
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)]) as writing:
        while writing.poll() is None or not found[-1]:
            found.append([int(str(line["number"])) for line in lines(tmp_path)])
    assert writing.returncode == 0
    for numbers in filter(None, found):
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert lines(tmp_path)[-1]["number"] == 2999


def test_a_line_is_written_while_another_process_replaces_the_file(tmp_path: Path) -> None:
    """The other process has renamed the file and has not made the new one yet."""
    audit = AuditLog(tmp_path, Clock(), AuditTuning(max_bytes=1))
    audit.record("login", client=0)
    path, flock = tmp_path / FILE_NAME, fcntl.flock

    def renamed(file: int, how: int) -> None:
        flock(file, how)
        if path.exists():
            path.rename(tmp_path / f"{FILE_NAME}.1")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fcntl, "flock", renamed)
        audit.record("login", client=1)
    assert [line["client"] for line in lines(tmp_path)] == [0, 1]


def test_a_full_disk_raises_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line is lost, the server logs the failure once, and later lines are written."""
    audit = AuditLog(tmp_path)

    def full(file: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        audit.record("login")
        audit.record("login")
    audit.record("logout")
    assert [line["event"] for line in lines(tmp_path)] == ["logout"]
    assert capsys.readouterr().out.count("audit_unwritable") == 1


def test_identical_refusals_share_one_line_per_minute(tmp_path: Path) -> None:
    """A client that is refused a thousand times a second cannot fill the disk.

    This holds even if the wall clock is set back in that minute.
    """
    clock, monotonic = Clock(), Clock()
    audit = AuditLog(tmp_path, clock, monotonic=monotonic)
    for _ in range(1000):
        audit.record_refusal("refused", client=1, path="/a")
    audit.record_refusal("refused", client=1, path="/b")
    clock.advance(-3600)
    monotonic.advance(61)
    audit.flush()
    audit.record_refusal("refused", client=1, path="/a")
    found = [(line["path"], line.get("more")) for line in lines(tmp_path)]
    assert found == [("/a", None), ("/b", None), ("/a", 999), ("/a", None)]


def test_grouped_refusals_are_written_on_flush_and_when_memory_is_full(tmp_path: Path) -> None:
    """Memory use is limited for any number of kinds of refusals, and each kind is reported."""
    audit = AuditLog(tmp_path, Clock(), AuditTuning(max_groups=2))
    for path in "aabbccdd":
        audit.record_refusal("refused", path=path)
    assert len(audit._groups) == 2  # noqa: SLF001 - its memory is what is bounded
    audit.flush(everything=True)
    recorded = [(line["path"], line.get("more")) for line in lines(tmp_path)]
    assert sorted(recorded, key=str) == [(path, more) for path in "abcd" for more in (1, None)]


def test_site_changes_are_listed_up_to_a_thousand(tmp_path: Path) -> None:
    """After a thousand changes, one line contains the number of the remaining changes."""
    changes = [Change("added", f"client {number}") for number in range(MAX_CHANGES + 5)]
    AuditLog(tmp_path).record_changes(changes, by="root")
    found = lines(tmp_path)
    assert len(found) == MAX_CHANGES + 1
    assert found[0]["what"] == "client 0"
    assert (found[-1]["more"], found[-1]["by"]) == (5, "root")


def test_read_returns_the_last_lines_of_the_selected_events(tmp_path: Path) -> None:
    """Lines are returned oldest first. Damaged lines are counted and skipped."""
    audit = AuditLog(tmp_path, Clock())
    for number in range(5):
        audit.record("login", client=number)
        audit.record("logout", client=number)
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write(b'{"at": "2\n[]\n' + b"[" * 100_000 + b"\n")
    found, damaged = read(tmp_path, last=2, events={"login"})
    assert [line["client"] for line in found] == [3, 4]
    assert damaged == (3, [(tmp_path / FILE_NAME, number) for number in (11, 12, 13)])
    found, damaged = read(tmp_path / "nowhere")
    assert (list(found), damaged.total) == ([], 0)


@pytest.mark.parametrize("rest", [b'{"at":"2026-01-01T00', b'{"at":"\xff"}\x00\x00', b"\xc3"])
def test_a_cut_line_does_not_swallow_the_next_one(tmp_path: Path, rest: bytes) -> None:
    """The next record begins on a new line. The cut line is counted, with its place.

    The same holds if the file is rotated at the cut line.
    """
    AuditLog(tmp_path, Clock()).record("login", client=1)
    for max_bytes in (1 << 20, 1):
        with (tmp_path / FILE_NAME).open("ab") as file:
            file.write(rest)
        audit = AuditLog(tmp_path, Clock(), AuditTuning(max_bytes=max_bytes))
        assert audit.last_event() == "login"
        audit.record("login", client=2)
    found, damaged = read(tmp_path)
    assert [line["client"] for line in found] == [1, 2, 2]
    old, new = files(tmp_path)
    assert (len(old.read_bytes().splitlines()), len(new.read_bytes().splitlines())) == (4, 1)
    assert damaged == (2, [(old, 2), (old, 4)])


def test_a_record_after_a_cut_line_of_an_earlier_release_is_found(tmp_path: Path) -> None:
    """Earlier releases appended to a cut line. A name that looks like a record is not one."""
    audit = AuditLog(tmp_path, Clock())
    audit.record("login", name='{"at":"x","event":"forged"}')
    text = (tmp_path / FILE_NAME).read_bytes()
    (tmp_path / FILE_NAME).write_bytes(text[:40] + text + text)
    found, damaged = read(tmp_path)
    assert [line["event"] for line in found] == ["login", "login"]
    assert damaged == (1, [(tmp_path / FILE_NAME, 1)])


@given(st.binary(max_size=40), st.integers(0, 200))
@settings(max_examples=tries(50))
def test_damage_hides_no_later_record(damage: bytes, at: int) -> None:
    """Any bytes may overwrite or cut the end of the file. Nothing fails, and new records are read.

    Blank lines are not damage.
    """
    with temporary_folder() as folder:
        AuditLog(folder, Clock()).record("login", name="ü" * 20)
        text = (folder / FILE_NAME).read_bytes()
        (folder / FILE_NAME).write_bytes(text[:at] + damage)
        audit = AuditLog(folder, Clock())
        audit.last_event()
        audit.record("logout")
        found, damaged = read(folder)
        assert found[-1]["event"] == "logout"
        left = (text[:at] + damage).strip()
        assert damaged.total or not left or len(found) > 1


def test_a_line_that_the_disk_cuts_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk may accept a part of a line without an error."""
    audit, write = AuditLog(tmp_path, Clock()), os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: write(file, data[:20]))
        audit.record("login")
    assert capsys.readouterr().out.count("audit_unwritable") == 1
    audit.record("logout")
    found, damaged = read(tmp_path)
    assert ([line["event"] for line in found], damaged.total) == (["logout"], 1)


def test_the_last_event_is_found_at_the_end_of_a_long_file(tmp_path: Path) -> None:
    """The file is not read completely, and damaged lines are skipped.

    A server that was killed while it recorded its first start on a backup records it again.
    """
    audit = AuditLog(tmp_path, Clock())
    assert audit.last_event() == ""
    for number in range(2000):
        audit.record("login", client=number)
    audit.record("backup_made")
    assert audit.last_event() == "backup_made"
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write(msgspec.json.encode(["x"]) + b'\n{"at":"20')
    assert audit.last_event() == "backup_made"
