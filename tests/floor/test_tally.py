"""What a call counts is judged by what is in force at its last step."""

from __future__ import annotations

from msgspec.structs import replace

from floorcast.site.configuration import Service
from tests.floor.random_floors import PLAN, call, fold_all, new_floor, ticks


def test_a_new_threshold_judges_the_calls_that_go_on() -> None:
    """A call that ends after the change is judged anew, one that had ended is not."""
    floor = new_floor()
    fold_all(
        floor,
        [
            *(call("call.queue", 0, n, service=10) for n in (1, 2)),
            *(call("call.answer", 15, n) for n in (1, 2)),
            call("call.end", 30, 1),
        ],
    )
    (day,) = floor.state.counters.service_days.values()
    assert day[10].handled_within == 2
    strict = Service(id=10, name="Sales", call_center=1, sla_seconds=10)
    floor.begin_entry(50, ticks(400))
    floor.apply(replace(PLAN, services=(strict, *PLAN.services[1:])))
    assert day[10].handled_within == 2
    fold_all(floor, [call("call.end", 40, 2)], begin=300)
    assert (day[10].handled_within, day[10].handled, day[10].talks) == (1, 2, 2)
