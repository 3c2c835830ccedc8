"""Judges how soon calls were answered or abandoned, by their services' thresholds."""

from __future__ import annotations

from collections.abc import Mapping

from floorcast.floor.calls import Call
from floorcast.floor.queue_segments import QueueSegment
from floorcast.site.configuration import Service

__all__ = ["Thresholds"]

_OUTBOUND = ("OUTBOUND", "MANUAL")
_UNKNOWN_SERVICE = Service(id=0, name="-")


class Thresholds:
    """Judges queue segments by their services' configuration."""

    def __init__(self, services: Mapping[int, Service]) -> None:
        self._services = services

    def judge(self, call: Call, segment: QueueSegment) -> None:
        """Set how soon the segment was answered, or whether and how soon it was abandoned."""
        if segment.answered is not None:
            self.judge_answered(call, segment)
        elif segment.left is not None:
            settings, wait = self._service(segment), segment.wait(0)
            short = settings.short_abandon_seconds
            segment.within = wait <= settings.sla_seconds * 1000
            segment.short = segment.within if short is None else wait <= short * 1000
            exits = segment.exited and settings.count_exits_as == "abandoned"
            segment.abandoned = segment.lost or exits

    def judge_answered(self, call: Call, segment: QueueSegment) -> None:
        """Set how soon a segment was answered, even if the segment does not count.

        If two segments have the same times, either may be the one that counts.
        """
        assert segment.answered is not None
        joined = segment.joined
        segment.unqueued = joined is None and call.direction in _OUTBOUND
        if not segment.unqueued:
            wait = 0 if joined is None else segment.answered - joined
            segment.within = wait <= self._service(segment).sla_seconds * 1000

    def _service(self, segment: QueueSegment) -> Service:
        return self._services.get(segment.service, _UNKNOWN_SERVICE)
