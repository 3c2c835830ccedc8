"""Tests that each method turns a request into the bytes of a response."""

from __future__ import annotations

import sys
from functools import cache
from types import FrameType
from typing import Any

import msgspec
import pytest

from floorcast.floor.floor import Floor
from floorcast.floor.state import FloorState
from floorcast.floor.view import FloorView
from floorcast.model.errors import InvalidParameter
from floorcast.site.configuration import AlertRule, FloorConfig
from floorcast.statistics import alert_evaluation, present_agents
from floorcast.statistics.answers import METHODS, Method, Question, answer, answer_steps
from floorcast.statistics.requests import CampaignFilter, ServiceFilter
from floorcast.statistics.visibility import Moment, Visibility
from tests.floor.random_floors import agent, call, fold_all, new_floor
from tests.statistics.floors import moment_at, visible
from tests.verify.random_days import PLAN

LINES_PER_SERVICE = 20
NOWHERE = ServiceFilter(frozenset({404}))


@pytest.fixture
def visibility() -> Visibility:
    """Return the visibility of a floor that has a site and no events."""
    floor = Floor(FloorState(client=1))
    floor.begin_entry(1, 10_000)
    floor.apply(PLAN)
    return Visibility([FloorView(floor)])


@pytest.mark.parametrize("method", list(METHODS))
def test_the_steps_give_the_whole_answer(visibility: Visibility, method: str) -> None:
    """The steps give the same JSON regardless of how the rows are sliced."""
    question = Question(method)  # type: ignore[arg-type]  # each of the methods' names
    steps = answer_steps(question, visibility, Moment(5_000))
    try:
        while True:
            next(steps)
    except StopIteration as end:
        body: bytes = end.value
    assert body == answer(question, visibility, Moment(5_000))
    assert isinstance(msgspec.json.decode(body), dict)


# the alert list has no filter
@pytest.mark.parametrize("method", [name for name in METHODS if name != "alerts"])
def test_an_unknown_id_is_refused(visibility: Visibility, method: str) -> None:
    """Every method refuses an unknown id, and no scan stays open on a floor."""
    question = Question(
        method,  # type: ignore[arg-type]  # each of the methods' names
        filter=NOWHERE,
        campaigns=CampaignFilter(of=NOWHERE),
    )
    with pytest.raises(InvalidParameter, match="names 404"):
        answer(question, visibility, Moment(5_000))
    hooks = visibility.views[0].hooks
    assert not hooks.agents
    assert not hooks.calls


@cache
def floor_with(services: int) -> Floor:
    """Return a floor with five agents and seven open calls per service, three services an agent."""
    rules = tuple(
        AlertRule(name=figure, figure=figure, threshold=1, clear=1, above=True)
        for figure in ("totalCallsInQueue", "interval.offered")
    )
    floor = new_floor(FloorConfig(alerts=rules))
    for number in range(services * 5):
        named = [f"S{(number + step) % services}" for step in (0, 1, 2)]
        fold_all(floor, [agent("READY", 1, f"A{number}", services=named)])
    for number in range(services * 7):
        start = {"direction": "OUTBOUND", "campaign": number % services}
        service = f"S{number % services}"
        fold_all(floor, [call("call.start", 1, number, service=service, **start)])
        fold_all(floor, [call("call.queue", 2, number)])
    return floor


def lines_of_longest_step(method: Method, floor: Floor) -> int:
    """Return the most lines of Python that one step executes, each iteration of a loop as one."""
    count = most = 0

    def trace(_frame: FrameType, kind: str, _argument: object) -> Any:  # noqa: ANN401 - itself
        nonlocal count
        count += kind == "line"
        return trace

    visibility, before = visible(floor, rows=10), sys.gettrace()
    sys.settrace(trace)
    try:
        for _ in answer_steps(Question(method), visibility, moment_at(9)):
            most, count = max(most, count), 0
    finally:
        sys.settrace(before)
    return max(most, count)


@pytest.mark.parametrize("method", METHODS)
def test_no_step_grows_with_the_numbers_of_agents_and_calls(
    method: Method, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first step may do a little for each service, and no step reads all agents or calls."""
    monkeypatch.setattr(present_agents, "_MANY_SERVICES", 50)
    monkeypatch.setattr(alert_evaluation, "_ALERTS_PER_TURN", 10)
    small, large = (lines_of_longest_step(method, floor_with(size)) for size in (60, 180))
    assert large - small <= LINES_PER_SERVICE * (180 - 60)
