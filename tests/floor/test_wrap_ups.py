"""Tests that a wrap-up belongs to the right segment, and that a call keeps a limited number."""

from __future__ import annotations

import pytest

from floorcast.floor.calls import WrapUp
from floorcast.floor.queue_segments import QueueSegment
from floorcast.floor.wrap_ups import MAX_WRAP_UPS, segment_before, with_wrap_up


@pytest.mark.parametrize("agent", [7, 9])
@pytest.mark.parametrize(("begin", "index"), [(9, 0), (10, 1)])
def test_a_wrap_up_in_the_millisecond_of_an_answer_follows_it(
    agent: int, begin: int, index: int
) -> None:
    """This holds for the agent's own answer, and otherwise for that of any agent."""
    segments = [QueueSegment(10, answered=at, agent=7) for at in (0, 10)]
    assert segment_before(segments, WrapUp(agent, begin, 5)) == index


def test_a_call_keeps_a_limited_number_of_wrap_ups_and_all_their_time() -> None:
    """Further wrap-ups add their time to the last one, and can be taken back from it."""
    kept: tuple[WrapUp, ...] = ()
    for begin in range(MAX_WRAP_UPS + 3):
        kept = with_wrap_up(kept, WrapUp(7, begin, 5), 1)
    assert len(kept) == MAX_WRAP_UPS
    assert sum(one.spent for one in kept) == 5 * (MAX_WRAP_UPS + 3)
    kept = with_wrap_up(kept, WrapUp(7, MAX_WRAP_UPS + 2, 5), -1)
    assert sum(one.spent for one in kept) == 5 * (MAX_WRAP_UPS + 2)
