"""A made-up day is the same for the same seed, and is a day that could have been."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.sources.generated_day import SERVICES, Queue, generate

DAY = date(2026, 11, 23)
SMALL = (Queue("S", 60, ("a", "b")),)


def test_a_seed_is_a_day() -> None:
    """The same seed gives the same calls, another one others."""
    assert generate(DAY, 7) == generate(DAY, 7)
    assert generate(DAY, 7) != generate(DAY, 8)


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_no_agent_serves_two_calls_at_once(seed: int) -> None:
    """Each agent ends a call before the next answer, and nobody is answered before they queue."""
    calls = generate(DAY, seed, SMALL)
    served = [call for call in calls if call.answered is not None]
    assert served
    for call in served:
        assert call.queued is not None
        assert call.answered is not None
        assert call.started <= call.queued <= call.answered < call.ended
    for agent in ("a", "b"):
        spans = sorted((c.answered, c.ended) for c in served if c.agent == agent if c.answered)
        assert all(ended < answered for (_, ended), (answered, _) in pairwise(spans))


def test_the_day_is_busy_and_some_give_up() -> None:
    """More callers at noon than at the edges; most are answered, some lose patience."""
    calls = generate(DAY, 1999)
    hours = [call.started.hour for call in calls]
    assert hours.count(15) > hours.count(8)
    abandoned = [call for call in calls if call.queued and not call.answered]
    answered = [call for call in calls if call.answered]
    assert 0 < len(abandoned) < len(answered)
    assert {call.service for call in calls} == {queue.name for queue in SERVICES}
    assert max(call.ended - call.started for call in calls) < timedelta(hours=6)
    assert [call.row for call in calls] == list(range(1, len(calls) + 1))
