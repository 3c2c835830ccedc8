"""Tests that detect missing events."""

from __future__ import annotations

from floorcast.connectors.freeswitch.events import EslEvent
from floorcast.connectors.freeswitch.sequence import EventSequence, SequenceCheck


def test_gaps_and_restarts_are_detected() -> None:
    """The first event of a sequence is never a gap, and neither is an event out of order."""
    sequence = EventSequence("a")
    numbers = [("a", "100"), ("a", "101"), ("a", "103"), ("a", "102"), ("a", ""), ("a", "x")]
    found = [sequence.check(EslEvent(core=core, sequence=number)) for core, number in numbers]
    on, gap = SequenceCheck.IN_ORDER, SequenceCheck.AFTER_GAP
    assert found == [on, on, gap, on, on, on]
    assert sequence.check(EslEvent(core="b", sequence="1")) is SequenceCheck.AFTER_RESTART
    assert sequence.check(EslEvent(core="b", sequence="2")) is on
    assert sequence.core == "b"


def test_the_first_core_uuid_is_not_a_restart() -> None:
    """An event without a Core-UUID does not indicate a restart."""
    sequence = EventSequence()
    assert sequence.check(EslEvent(sequence="5")) is SequenceCheck.IN_ORDER
    assert sequence.check(EslEvent(core="a", sequence="6")) is SequenceCheck.IN_ORDER
