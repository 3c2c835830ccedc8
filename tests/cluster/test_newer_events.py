"""Tests that an upgraded node reads events that a newer release wrote before the upgrade."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from floorcast.cluster import newer_events
from floorcast.cluster.newer_events import NewerEvents, discard_stale_projections
from floorcast.model.inbound import LoggedEvent, UnknownEvent, read_lines
from tests.real.sites import event

NEW = msgspec.json.encode(event("call.whisper", "a", to=7))
DREAM = msgspec.json.encode(event("agent.state", "b", agent="x", eventType="DREAMING"))
KNOWN = msgspec.json.encode(event("agent.state", "c", agent="x", eventType="READY"))


def record(folder: Path, *lines: bytes) -> None:
    """Note the events as a node does after it has followed them."""
    NewerEvents(folder).record(lines, [one for line in lines for one in read_lines(line)])


def test_projections_are_rebuilt_once_an_example_can_be_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Projections are rebuilt only at that time, and only once. Invalid events are not noted."""
    projection = tmp_path / "mirror.db"
    projection.write_bytes(b"x")
    record(tmp_path, KNOWN, b"garbage")
    assert not (tmp_path / "newer-events.json").exists()
    record(tmp_path, NEW, KNOWN, DREAM, NEW)
    record(tmp_path, DREAM)
    assert not discard_stale_projections(tmp_path)
    assert projection.exists()

    def upgraded(payload: bytes) -> list[LoggedEvent]:
        return read_lines(KNOWN if payload == DREAM else payload)

    monkeypatch.setattr(newer_events, "read_lines", upgraded)
    assert discard_stale_projections(tmp_path)
    assert not projection.exists()
    assert not discard_stale_projections(tmp_path)


def test_examples_are_limited_in_number_and_size(tmp_path: Path) -> None:
    """The number of examples is bounded, however many types a sender invents."""
    lines = [msgspec.json.encode(event(f"new.{number}", str(number))) for number in range(300)]
    lines.append(msgspec.json.encode(event("large", "x", pad="x" * 100_000)))
    record(tmp_path, *lines)
    kept = msgspec.json.decode((tmp_path / "newer-events.json").read_bytes(), type=list[bytes])
    assert len(kept) == 100
    assert all(isinstance(one, UnknownEvent) for line in kept for one in read_lines(line))
