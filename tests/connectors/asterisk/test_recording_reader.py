"""Tests that replay recordings as events of another day."""

from __future__ import annotations

import gzip

import pytest

from floorcast.connectors.asterisk.recording_reader import read_ami, read_queue_log
from floorcast.connectors.pbx.converted_recording import ConvertedRecording
from tests.connectors.asterisk.captured import FOLDER, VERSIONS, as_json, lines
from tests.connectors.pbx.figures import Figures, Floor


def recorded(kind: str, version: str) -> ConvertedRecording:
    if kind == "log":
        return read_queue_log(lines(version), "pbx")
    with gzip.open(FOLDER / f"ami-{version}.txt.gz") as file:
        return read_ami(file.read, "pbx")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["log", "ami"])
def test_a_replayed_recording_has_the_same_figures(kind: str, version: str) -> None:
    """Events are unique and in order of time. The ids of calls contain the source."""
    found = recorded(kind, version)
    assert found.unreadable == 0
    floor = Floor(as_json(found.events))
    assert floor.figures() == {"sales": Figures(4, 2, 2, 0), "support": Figures(4, 2, 0, 2)}
    assert [one.time for one in found.events] == sorted(one.time for one in found.events)
    assert len({one.id for one in found.events}) == len(found.events)
    assert {str(e.data.get("sessionId", "@pbx")).partition("@")[2] for e in found.events} == {"pbx"}


def test_unreadable_input_is_counted() -> None:
    """Unreadable parts of a recording are counted, and the other parts are read."""
    found = read_queue_log(["nonsense\n", "\n", *lines("16.28")], "pbx")
    assert found.unreadable == 1
    assert found.events == recorded("log", "16.28").events
    pieces = iter([b"nonsense\n\nEvent: QueueCallerJoin\n\n"])
    assert read_ami(lambda _: next(pieces, b""), "pbx") == ConvertedRecording(
        events=[], unreadable=2
    )


@pytest.mark.parametrize("cut", [1, 20, 150])
def test_a_cut_end_is_reported_and_not_read(cut: int) -> None:
    """The last line or frame may be cut within a value, which would make it another event."""
    whole = lines("16.28")[:40]
    found = read_queue_log([*whole[:-1], whole[-1][: -min(cut, 10)]], "pbx")
    assert found.unreadable == 1
    assert found.events == read_queue_log(whole[:-1], "pbx").events
    with gzip.open(FOLDER / "ami-16.28.txt.gz") as file:
        data = file.read(200_000).replace(b"\r\n", b"\n").rpartition(b"\n\n")[0] + b"\n\n"
    before = data[:-2].rpartition(b"\n\n")[0] + b"\n\n"
    pieces, shorter = iter([data[:-cut]]), iter([before])
    torn = read_ami(lambda _: next(pieces, b""), "pbx")
    assert torn.unreadable == 1
    assert torn.events == read_ami(lambda _: next(shorter, b""), "pbx").events
