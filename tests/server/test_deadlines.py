"""What waits, for how long, and which of it is overdue."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from floorcast.server.deadlines import ConnectionTuning, Deadlines, Waits


class WaitsModel(RuleBasedStateMachine):
    """Waits begin, begin anew and end while time goes by; the overdue ones come oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.waits: Waits[int] = Waits("kind", 10.0)
        self.model: dict[int, float] = {}

    @rule(one=st.integers(0, 5))
    def begin(self, one: int) -> None:
        self.waits.begin(one, self.now)
        self.model.pop(one, None)
        self.model[one] = self.now

    @rule(one=st.integers(0, 5))
    def end(self, one: int) -> None:
        self.waits.end(one)
        self.model.pop(one, None)

    @rule(seconds=st.floats(0, 8))
    def pass_by(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def take_overdue(self) -> None:
        due = [one for one, since in self.model.items() if self.now - since >= 10.0]
        found = []
        while (one := self.waits.pop_overdue(self.now)) is not None:
            found.append(one)
            del self.model[one]
        assert found == due

    @rule()
    def take_longest(self) -> None:
        longest = next(iter(self.model), None)
        assert self.waits.pop_longest() == longest
        if longest is not None:
            del self.model[longest]

    @invariant()
    def they_are_the_same(self) -> None:
        assert len(self.waits) == len(self.model)
        assert all(one in self.waits for one in self.model)


TestWaits = WaitsModel.TestCase


def test_so_many_are_acted_on_at_a_time() -> None:
    """The rest is left for the next turn; what has ended is not acted on."""
    now = 0.0
    deadlines: Deadlines[int] = Deadlines(ConnectionTuning(head=5, idle=7), lambda: now)
    for one in range(3):
        deadlines.head.begin(one, now)
    for one in range(3, 6):
        deadlines.idle.begin(one, now)
    deadlines.forget(1)
    acted: list[tuple[int, str]] = []

    def act(one: int, waits: Waits[int]) -> None:
        acted.append((one, waits.kind))

    assert not deadlines.overdue(2, act)
    assert acted == []
    now = 7.0
    assert deadlines.overdue(3, act)
    assert acted == [(0, "head_too_slow"), (2, "head_too_slow"), (3, "idle")]
    assert not deadlines.overdue(3, act)
    assert acted[3:] == [(4, "idle"), (5, "idle")]


@pytest.mark.parametrize(("head", "sweep"), [(10.0, 1.0), (0.4, 0.1)])
def test_short_deadlines_are_looked_at_more_often(head: float, sweep: float) -> None:
    """Or they would be kept too late."""
    assert ConnectionTuning(head=head).sweep == pytest.approx(sweep)
