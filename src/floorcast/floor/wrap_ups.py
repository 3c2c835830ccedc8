"""Assigns a call's wrap-ups to its segments, and limits their number."""

from __future__ import annotations

from floorcast.floor.calls import WrapUp
from floorcast.floor.queue_segments import QueueSegment

__all__ = ["MAX_WRAP_UPS", "segment_before", "with_wrap_up"]

MAX_WRAP_UPS = 200  # wrap-ups that a call keeps separately


def segment_before(segments: list[QueueSegment], wrap_up: WrapUp) -> int | None:
    """Return the index of the segment that a wrap-up followed.

    This is the last segment that the agent had answered by then, or else the first one that it
    answered later, or else the last segment that any agent had answered by then.
    """
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
    """Return the wrap-ups with one added (+1) or taken back (-1).

    After ``MAX_WRAP_UPS`` wrap-ups, further time is added to the last one.
    """
    for index in range(len(wrap_ups) - 1, -1, -1):
        known = wrap_ups[index]
        if (known.agent, known.begin) == (wrap_up.agent, wrap_up.begin):
            known.spent += sign * wrap_up.spent
            return wrap_ups if known.spent else wrap_ups[:index] + wrap_ups[index + 1 :]
    if sign > 0 and len(wrap_ups) < MAX_WRAP_UPS:
        return (*wrap_ups, wrap_up)
    if wrap_ups:
        wrap_ups[-1].spent += sign * wrap_up.spent
    return wrap_ups
