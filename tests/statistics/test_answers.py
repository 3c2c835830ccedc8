"""Tests that each method turns a request into the bytes of a response."""

from __future__ import annotations

import msgspec
import pytest

from floorcast.floor.floor import Floor
from floorcast.floor.state import FloorState
from floorcast.floor.view import FloorView
from floorcast.model.errors import InvalidParameter
from floorcast.statistics.answers import METHODS, Question, answer, answer_steps
from floorcast.statistics.requests import CampaignFilter, ServiceFilter
from floorcast.statistics.visibility import Moment, Visibility
from tests.verify.random_days import PLAN

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
