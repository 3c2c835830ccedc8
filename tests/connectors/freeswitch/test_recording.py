"""Tests of the recordings that ``--record`` writes."""

from __future__ import annotations

from pathlib import Path

from floorcast.connectors.freeswitch.frames import EslFrame, EslFrameReader
from floorcast.connectors.freeswitch.recording import FreeswitchRecording

FRAME = EslFrame({"Content-Type": "text/event-json", "Content-Length": "3"}, b"\n\n\xff")


def test_a_recording_reproduces_the_input(tmp_path: Path) -> None:
    """The recording has the same bytes as the input, and the next run appends to it."""
    path = tmp_path / "record"
    for _ in range(2):
        with FreeswitchRecording(path) as recording:
            recording.write_frame(FRAME)
            recording.write_reply("status", "Jürgen\n\n", 5.5)
    reply = EslFrame(
        {
            "Content-Type": "api/response",
            "Command": "status",
            "Time": "5.500000",
            "Content-Length": "9",
        },
        "Jürgen\n\n".encode(),
    )
    assert EslFrameReader().feed(path.read_bytes()) == [FRAME, reply] * 2


def test_nothing_is_recorded_without_a_file(tmp_path: Path) -> None:
    """Nothing is recorded if no file is given."""
    with FreeswitchRecording(None) as recording:
        recording.write_frame(FRAME)
        recording.write_reply("status", "", 5.5)
    assert list(tmp_path.iterdir()) == []
