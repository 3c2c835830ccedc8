"""Tests of files to which several runs of a connector append."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from floorcast.connectors.asterisk.recording import AsteriskRecording
from floorcast.connectors.asterisk.recording_reader import read_ami, read_queue_log
from floorcast.connectors.livevox.recording import LivevoxRecording
from floorcast.connectors.pbx.converted_recording import ConvertedRecording
from floorcast.connectors.recording_file import RecordingFile
from floorcast.model.errors import SettingError

CUT_RECORDS = {
    "ami": b"Event: QueueCallerJoin\nTimestamp: 1700000000.5\nQueue: sales\nUniqueid: 17000",
    "ami.queue_log": b"1700000000|1700000000.1|sales|NONE|ENTERQUEUE||51",
}


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"", b"b\n"), (b"a\n", b"a\nb\n"), (b"a", b"a\0\nb\n"), (b"\n", b"\nb\n")],
)
def test_a_cut_record_ends_before_the_next_one(tmp_path: Path, before: bytes, after: bytes) -> None:
    """A whole record is not changed. A cut one gets a byte that no whole record has."""
    (tmp_path / "r").write_bytes(before)
    with RecordingFile(tmp_path / "r", b"\n") as recording:
        recording.write(b"b\n")
    assert (tmp_path / "r").read_bytes() == after


def test_only_the_owner_can_read_a_new_recording(tmp_path: Path) -> None:
    """It contains callers' numbers. The mode of an existing file is its owner's choice."""
    (tmp_path / "old").touch(0o640)
    for name, mode in (("new", 0o600), ("old", 0o640)):
        with RecordingFile(tmp_path / name) as recording:
            recording.write(b"a\n")
        assert (tmp_path / name).stat().st_mode & 0o777 == mode


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """A folder, and a file in a folder that does not exist."""
    for path in (tmp_path, tmp_path / "nowhere" / "file"):
        with pytest.raises(SettingError, match=r"--record: .* cannot be written"):
            RecordingFile(path)


def test_a_recording_without_a_path_writes_nothing() -> None:
    """A connector without --record has such a recording."""
    with RecordingFile(None, b"\n") as recording:
        recording.write(b"b\n")


def test_recordings_continue_after_a_power_failure(tmp_path: Path) -> None:
    """The first records of the next run are whole: frames, lines of a queue log, and JSON.

    The cut records are reported, and not read as if they were whole.
    """
    frame = {"Event": "FullyBooted", "Timestamp": "1700000000.5"}
    for name in ("ami", "ami.queue_log", "json"):
        (tmp_path / name).write_bytes(CUT_RECORDS.get(name, b'{"read":"ag'))
    with AsteriskRecording(tmp_path / "ami") as recording:
        recording.write_frame(frame, 0.0)
        recording.write_line("1700000000|NONE|NONE|NONE|QUEUESTART|")
    with (tmp_path / "ami").open("rb") as file:
        assert read_ami(file.read, "pbx") == ConvertedRecording(events=[], unreadable=1)
    with (tmp_path / "ami.queue_log").open() as lines:
        assert read_queue_log(lines, "pbx") == ConvertedRecording(events=[], unreadable=1)
    assert (tmp_path / "ami").read_text().split("\n\n")[1].startswith("Event: FullyBooted\n")
    assert (tmp_path / "ami.queue_log").read_text().splitlines()[1].startswith("1700000000|")
    with LivevoxRecording(tmp_path / "json") as events:
        events.write_event("agent", b"{}", 1.0)
    assert json.loads((tmp_path / "json").read_text().splitlines()[1])["read"] == "agent"


def test_a_full_disk_ends_the_recording_alone() -> None:
    """The connector is more important than its recording."""
    with capture_logs() as logs, RecordingFile(Path("/dev/full")) as recording:
        recording.write(b"a\n")
        recording.write(b"b\n")
    assert [(one["event"], one["why"]) for one in logs] == [
        ("the recording ended", "No space left on device")
    ]
