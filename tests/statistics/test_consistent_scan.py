"""Rows are read at one place, however much is folded between two slices."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.floor.floor import Floor
from floorcast.model.inbound import InboundEvent
from floorcast.site.configuration import Agent, FloorConfig, Service
from floorcast.statistics import consistent_scan
from floorcast.statistics.agent_averages import agent_averages
from floorcast.statistics.agent_stats import agent_statistics, agent_statistics_ex
from floorcast.statistics.agent_status import agent_status
from floorcast.statistics.consistent_scan import AgentReading, Slices
from floorcast.statistics.visibility import Moment, Scope
from tests.floor.random_floors import (
    PLAN,
    agent,
    agent_events,
    call_events,
    fold_all,
    new_floor,
    ticks,
)
from tests.statistics.floors import scopes, seen

Method = Callable[[Sequence[Scope], Moment], Slices[object]]
METHODS: dict[str, Method] = {
    "status": agent_status,  # type: ignore[dict-item]  # rows of any kind
    "stats": agent_statistics,  # type: ignore[dict-item]  # as above
    "ex": agent_statistics_ex,  # type: ignore[dict-item]  # as above
    "averages": agent_averages,  # type: ignore[dict-item]  # as above
}
EVENTS = st.lists(agent_events() | call_events(), max_size=20)
OTHER_PLAN = FloorConfig(services=(Service(id=10, name="New"),), agents=(Agent(id=7, login="Q"),))


def plain(rows: object) -> object:
    return msgspec.json.decode(msgspec.json.encode(rows))


@pytest.fixture(autouse=True)
def one_row_a_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consistent_scan, "SLICE", 1)


@pytest.mark.parametrize("method", METHODS)
@given(before=EVENTS, meanwhile=EVENTS, change=st.booleans())
def test_what_is_folded_meanwhile_does_not_show(
    method: str, before: list[InboundEvent], meanwhile: list[InboundEvent], *, change: bool
) -> None:
    """All rows are as the floor was when the reading began, the site's names too."""
    floor, same = new_floor(), new_floor()
    for one in (floor, same):
        fold_all(one, before)
    moment = seen(500)
    rows: list[object] = []
    with METHODS[method](scopes(floor), moment) as slices:
        for number, some in enumerate(slices):
            rows += some
            if number == 0:
                fold_all(floor, meanwhile, begin=100)
                if change:
                    floor.apply(OTHER_PLAN)
    assert plain(rows) == plain(METHODS[method](scopes(same), moment).all())
    assert floor.watchers == []


def test_the_floor_is_let_go_when_the_reader_leaves() -> None:
    """A request that is cancelled half-way costs the fold nothing afterwards."""
    floor = new_floor()
    fold_all(floor, [agent("READY", 0, who, service=10) for who in ("ANN", "BOB", 9)])
    with agent_status(scopes(floor), seen(1)) as slices:
        next(iter(slices))
        assert len(floor.watchers) == 1
    assert floor.watchers == []
    slices.close()


def test_what_fits_into_a_slice_is_read_at_once() -> None:
    """One row: nobody has to watch, and later events do not show."""
    floor = new_floor()
    fold_all(floor, [agent("READY", 0, service=10)])
    slices = agent_status(scopes(floor), seen(1))
    assert floor.watchers == []
    fold_all(floor, [agent("NOT_READY", 1)], begin=9)
    assert [row.state for row in slices.all()] == ["Ready"]


def test_rows_come_by_id_and_none_is_left_out() -> None:
    """Whatever order the ids had."""
    floor: Floor = new_floor()
    read = AgentReading(floor, {9, 7, 8}, lambda one: None if one == 8 else one)
    floor.begin_entry(2, ticks(1))
    assert [row for rows in read for row in rows] == [7, 9]
    assert PLAN.agents
