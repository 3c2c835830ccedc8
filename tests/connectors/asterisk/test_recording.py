"""Tests of the recordings that ``--record`` writes."""

from __future__ import annotations

from pathlib import Path

from floorcast.connectors.asterisk.frames import AmiFrameReader
from floorcast.connectors.asterisk.recording import AsteriskRecording
from tests.connectors.asterisk.captured import frames


def test_a_recording_reproduces_the_input(tmp_path: Path) -> None:
    """Frames without a time get their time of arrival, and variables keep their names."""
    path = tmp_path / "record"
    odd = {"Event": "X", "ChanVariable:DID": "1=2", "Empty": ""}
    with AsteriskRecording(path) as recording:
        for frame in frames("22.10.1"):
            recording.write_frame(frame, 5.5)
        recording.write_line("1|2|3")
    with AsteriskRecording(path) as recording:  # the next run appends to the same file
        recording.write_frame(odd, 6.25)
    found = list(AmiFrameReader().feed(path.read_bytes()))
    assert found == [
        *(
            {**frame, "Timestamp": frame.get("Timestamp", "5.500000")}
            for frame in frames("22.10.1")
        ),
        {**odd, "Timestamp": "6.250000"},
    ]
    assert (tmp_path / "record.queue_log").read_text() == "1|2|3\n"


def test_nothing_is_recorded_without_a_file(tmp_path: Path) -> None:
    """Nothing is recorded if no file is given."""
    with AsteriskRecording(None) as recording:
        recording.write_frame({"Event": "X"}, 1.0)
        recording.write_line("1|2|3")
    assert list(tmp_path.iterdir()) == []
