"""Tests of two sources that report the same PBX events."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from floorcast.connectors.asterisk.merging import (
    MAX_APART_SECONDS,
    REMEMBER_SECONDS,
    PbxEventMerger,
    PbxEventSource,
)
from floorcast.connectors.pbx.pbx_events import ChannelHungUp, PbxEvent, QueueJoined


def join(at: float, caller: str = "1.0") -> PbxEvent:
    return QueueJoined(at=at, caller=caller, queue="sales")


def test_a_pbx_event_reported_by_both_sources_counts_once() -> None:
    """The first source to report a PBX event counts. The next equal PBX event counts again."""
    both = PbxEventMerger()
    assert both.is_new(PbxEventSource.AMI, join(10.7))
    assert not both.is_new(PbxEventSource.QUEUE_LOG, join(10.0))
    assert both.is_new(PbxEventSource.QUEUE_LOG, join(30.0))
    assert not both.is_new(PbxEventSource.AMI, join(30.2))
    assert both.is_new(PbxEventSource.AMI, join(50.0))


def test_each_pbx_event_reported_by_a_single_source_counts() -> None:
    """A PBX event that only one source reports is never mistaken for another."""
    both = PbxEventMerger()
    assert all(both.is_new(PbxEventSource.AMI, join(at)) for at in (1.0, 1.5, 2.0))
    gone = ChannelHungUp(at=1.0, channel="1.0")
    assert all(both.is_new(channel, gone) for channel in PbxEventSource)


def test_a_pbx_event_reported_much_later_is_a_different_one() -> None:
    """A PBX event reported much later is a different PBX event."""
    both = PbxEventMerger()
    assert both.is_new(PbxEventSource.AMI, join(10.0))
    assert both.is_new(PbxEventSource.QUEUE_LOG, join(10.0 + MAX_APART_SECONDS + 1))
    assert both.is_new(PbxEventSource.AMI, join(10.0 + REMEMBER_SECONDS * 3))


@given(st.lists(st.tuples(st.integers(0, 500), st.sampled_from("abc")), max_size=60))
def test_queue_log_lines_duplicate_ami_events(found: list[tuple[int, str]]) -> None:
    """Each line of the log follows AMI's event and has the same time, rounded down."""
    both = PbxEventMerger()
    for at, caller in sorted(found):
        assert both.is_new(PbxEventSource.AMI, join(at + 0.6, caller))
        assert not both.is_new(PbxEventSource.QUEUE_LOG, join(at, caller))
