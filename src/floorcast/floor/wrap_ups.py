"""Assigns a call's wrap-ups to its segments, and bounds their number."""

from __future__ import annotations

from floorcast.floor.calls import WrapUp
from floorcast.floor.queue_segments import QueueSegment

__all__ = ["MOST_WRAP_UPS", "segment_before", "with_wrap_up"]

MOST_WRAP_UPS = 200  # wrap-ups that a call keeps separately


def segment_before(segments: list[QueueSegment], wrap_up: WrapUp) -> int | None:
    """The segment that a wrap-up followed: the agent's last one by then, else the last answered."""
    other = later = None
    for index in range(len(segments) - 1, -1, -1):
        segment = segments[index]
        if segment.answered is None:
            continue
        at = segment.answered_by(wrap_up.agent)
        if at is not None:
            if at <= wrap_up.begin:
                return index
            later = index
        elif other is None and segment.answered <= wrap_up.begin:
            other = index
    return later if later is not None else other


def with_wrap_up(wrap_ups: tuple[WrapUp, ...], wrap_up: WrapUp, sign: int) -> tuple[WrapUp, ...]:
    """The wrap-ups with one more, or less; from ``MOST_WRAP_UPS`` on, the last one has the rest."""
    for index in range(len(wrap_ups) - 1, -1, -1):
        known = wrap_ups[index]
        if (known.agent, known.begin) == (wrap_up.agent, wrap_up.begin):
            known.spent += sign * wrap_up.spent
            return wrap_ups if known.spent else wrap_ups[:index] + wrap_ups[index + 1 :]
    if sign > 0 and len(wrap_ups) < MOST_WRAP_UPS:
        return (*wrap_ups, wrap_up)
    if wrap_ups:
        wrap_ups[-1].spent += sign * wrap_up.spent
    return wrap_ups
