"""Tests that replay ESL recordings as events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.connectors.freeswitch.frames import EslFrame, EslFrameReader
from floorcast.connectors.freeswitch.queries import AGENTS, TIERS
from floorcast.connectors.freeswitch.recording import FreeswitchRecording
from floorcast.connectors.freeswitch.recording_reader import read_esl
from tests.connectors.freeswitch.dialogues import ANNA, EPOCH, Caller, agent_row, plain, tier_row
from tests.connectors.freeswitch.fake_esl import AGENT, TIER, encoded, table
from tests.connectors.pbx.figures import Figures, Floor
from tests.real.nodes import temporary_folder
from tests.search import tries

CALLER = Caller("u")
EVENTS = [
    plain("HEARTBEAT", EPOCH),
    *CALLER.joins(EPOCH + 10),
    *CALLER.is_offered(EPOCH + 12),
    *CALLER.is_answered(EPOCH + 15),
    *CALLER.ends_talk(EPOCH + 60),
    *CALLER.hangs_up(EPOCH + 60.1, "send_bye"),
]


def recorded(folder: Path) -> bytes:
    """Return the lines that a connector records for a call."""
    path = folder / "record"
    with FreeswitchRecording(path) as recording:
        (first, *more) = EslFrameReader().feed(b"".join(encoded(event) for event in EVENTS))
        assert not isinstance(first, ValueError)
        recording.write_frame(first)
        recording.write_reply(AGENTS, table(AGENT, [agent_row(ANNA)]), EPOCH + 1)
        recording.write_reply(TIERS, table(TIER, [tier_row(ANNA)]), EPOCH + 1)
        for frame in more:
            assert not isinstance(frame, ValueError)
            recording.write_frame(frame)
    return path.read_bytes()


def reader(data: bytes) -> Callable[[int], bytes]:
    """Return a function that behaves like ``open(...).read``."""
    pieces = iter([data])
    return lambda _: next(pieces, b"")


def test_a_replayed_recording_has_the_same_events(tmp_path: Path) -> None:
    """Agents are logged in according to the lists. On another day, the calls have other ids."""
    data = recorded(tmp_path)
    found = read_esl(reader(data), "esl")
    assert found.unreadable == 0
    floor = Floor([msgspec.to_builtins(one) for one in found.events])
    assert floor.figures() == {CALLER.queue: Figures(1, 1, 0, 0)}
    assert floor.states[ANNA] == ["LOGON", "READY", "RESERVED", "IN_CALL", "WRAP_UP", "READY"]
    moved = read_esl(reader(data), "esl/2026-03-04", date(2026, 3, 4)).events
    sessions = {one.data["sessionId"] for one in moved if "sessionId" in one.data}
    assert sessions == {"u@esl/2026-03-04"}


def test_unreadable_input_is_counted(tmp_path: Path) -> None:
    """Unreadable parts are counted, and the rest is read. Replies to other commands are ignored."""
    data = recorded(tmp_path)
    other = b"Content-Type: api/response\nContent-Length: 2\n\nno"
    bad = b"nonsense\n\nContent-Type: text/event-json\nContent-Length: 1\n\n{"
    found = read_esl(reader(other + bad + data), "esl")
    assert found.unreadable == 2
    assert found.events == read_esl(reader(data), "esl").events


@settings(max_examples=tries(60))
@given(st.data())
def test_a_cut_recording_loses_only_the_cut_frame(data: st.DataObject) -> None:
    """A connector was killed within a frame. The next run may have appended to the file.

    The cut is reported. Every other frame is read, and none is made of two.
    """
    with temporary_folder() as folder:
        path = folder / "record"
        frames = EslFrameReader().feed(recorded(folder))
        number = data.draw(st.integers(0, len(frames) - 1), "frame")
        before, cut, after = frames[:number], frames[number], frames[number + 1 :]
        assert isinstance(cut, EslFrame)
        length = data.draw(st.integers(1, len(cut.encoded()) - 1), "bytes of the frame")
        again = data.draw(st.booleans(), "the next run appends")
        path.write_bytes(as_bytes(before) + cut.encoded()[:length])
        if again:
            with FreeswitchRecording(path) as recording:
                recording.write(as_bytes(after))
        found = read_esl(reader(path.read_bytes()), "esl")
    expected = read_esl(reader(as_bytes(before + after if again else before)), "esl")
    assert found.events == expected.events
    assert found.unreadable == 1 + expected.unreadable


def as_bytes(frames: Sequence[object]) -> bytes:
    """Return the frames as they were received."""
    return b"".join(one.encoded() for one in frames if isinstance(one, EslFrame))
