"""Tests that the distributor acts like a list, and no call waits while an agent is free."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from floorcast.simulator.distributor import Distributor
from floorcast.simulator.people import random_person
from floorcast.simulator.simulated_call import SimulatedCall
from tests.search import tries

SERVICES = ("A", "B", "C")


class Operator:
    """Takes a call and records it."""

    def __init__(self, service: str, skills: Sequence[str]) -> None:
        self.service = service
        self.skills = skills
        self.call: SimulatedCall | None = None

    def offer(self, call: SimulatedCall) -> None:
        assert self.call is None
        self.call = call


class Desk(RuleBasedStateMachine):
    """Callers join and leave, and operators become free and busy."""

    def __init__(self) -> None:
        super().__init__()
        self.acd = Distributor()
        self.waiting: list[SimulatedCall] = []
        self.free: list[Operator] = []
        self.clock = 0

    def first_of(self, service: str) -> SimulatedCall | None:
        """Return the next call in a queue, by priority and then by arrival."""
        line = [call for call in self.waiting if call.service == service]
        return min(line, key=lambda call: -call.priority, default=None)

    @rule(service=st.sampled_from(SERVICES), priority=st.integers(0, 2))
    def somebody_calls(self, service: str, priority: int) -> None:
        self.clock += 1
        call = SimulatedCall(
            self.clock, str(self.clock), service, "INBOUND", random_person(Random(0))
        )
        call.priority, call.joined, call.waiting = priority, self.clock, True
        own = [one for one in self.free if one.service == service]
        able = own or [one for one in self.free if service in one.skills]
        self.acd.join(call)
        if able:
            assert able[0].call is call
            assert not call.waiting
            self.free.remove(able[0])
        else:
            self.waiting.append(call)

    @rule(service=st.sampled_from(SERVICES), skills=st.sets(st.sampled_from(SERVICES)))
    def somebody_is_free(self, service: str, skills: set[str]) -> None:
        operator = Operator(service, sorted(skills - {service}))
        next_one = self.first_of(service)
        if next_one is None:
            heads = [head for skill in operator.skills if (head := self.first_of(skill))]
            next_one = min(heads, key=lambda call: call.joined or 0, default=None)
        self.acd.mark_ready(operator)
        assert operator.call is next_one
        if next_one is None:
            self.free.append(operator)
        else:
            self.waiting.remove(next_one)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def somebody_hangs_up(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(call)
        self.acd.leave(call)

    @precondition(lambda self: self.free)
    @rule(data=st.data())
    def somebody_has_a_break(self, data: st.DataObject) -> None:
        operator = data.draw(st.sampled_from(self.free))
        self.free.remove(operator)
        self.acd.mark_busy(operator)

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        for call in self.waiting:
            assert call.waiting
            assert not any(call.service in (one.service, *one.skills) for one in self.free)
        for service in SERVICES:
            assert self.acd.count_ready(service) == sum(o.service == service for o in self.free)


TestDesk = Desk.TestCase
TestDesk.settings = settings(max_examples=tries(50))


def test_an_unanswered_call_returns_to_the_front_of_its_queue() -> None:
    """The call precedes calls that came later, and gets a free operator at once."""
    acd = Distributor()
    calls = [
        SimulatedCall(n, str(n), "A", "INBOUND", random_person(Random(0)), joined=n)
        for n in range(3)
    ]
    for call in calls[1:]:
        acd.join(call)
    acd.requeue(calls[0])
    first, second = Operator("A", ()), Operator("A", ())
    acd.mark_ready(first)
    acd.mark_ready(second)
    assert (first.call, second.call) == (calls[0], calls[1])
    third = Operator("B", ("A",))
    acd.leave(calls[2])
    acd.mark_ready(third)
    acd.requeue(calls[2])
    assert third.call is calls[2]
