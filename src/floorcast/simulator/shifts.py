"""Simulates an agent's day: the shift, the breaks and the calls."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import simpy

from floorcast.simulator.queueing import queue, somewhere_else
from floorcast.simulator.scenario import DAY_SECONDS, AgentPlan
from floorcast.simulator.simulated_call import SimulatedCall
from floorcast.simulator.world import CallToCome, Process, World

__all__ = ["SimulatedAgent", "shift_of"]

MINUTE_SECONDS = 60


class Break(NamedTuple):
    """A time without calls: its start (seconds into the shift), duration and probability.

    The break begins up to ``spread`` seconds earlier or later, so that not all agents are away at
    the same time.
    """

    reason: str
    begins: float
    seconds: float
    share: float = 1.0
    spread: float = 40 * MINUTE_SECONDS


BREAKS = (
    Break("BREAK", 120 * MINUTE_SECONDS, 10 * MINUTE_SECONDS),
    Break("LUNCH", 240 * MINUTE_SECONDS, 30 * MINUTE_SECONDS, spread=90 * MINUTE_SECONDS),
    Break("BREAK", 390 * MINUTE_SECONDS, 10 * MINUTE_SECONDS),
    Break("MEETING", 60 * MINUTE_SECONDS, 15 * MINUTE_SECONDS, 0.3),
    Break("TRAINING", 180 * MINUTE_SECONDS, 25 * MINUTE_SECONDS, 0.15),
    Break("TECH_DIFFICULTIES", 300 * MINUTE_SECONDS, 5 * MINUTE_SECONDS, 0.15),
    Break("VOICE_MAIL", 330 * MINUTE_SECONDS, 4 * MINUTE_SECONDS, 0.25),
    Break("OTHER", 450 * MINUTE_SECONDS, 3 * MINUTE_SECONDS, 0.3),
)
LOGGING_ON = 20.0  # seconds, at most, until all agents of a shift have logged on
REGISTERING = 4.0
MISSED, AFTER_A_MISS = "Missed call", 150.0  # the reason, and the seconds until READY again
SHORTEST_TALK = 0.5  # so that no call ends at the moment when it is answered
OUTBOUND_CODES = {"RPC": 0.3, "RPC_INCOMPLETE": 0.35, "WPC": 0.2, "CALLBACK": 0.15}
INBOUND_CODES = {"RPC": 0.45, "RPC_INCOMPLETE": 0.25, "INFORMATION": 0.25, "WPC": 0.05}


class SimulatedAgent:
    """A simulated agent.

    ``call`` is the current call. ``there`` is true if the agent is logged on according to events.
    """

    process: simpy.Process  # of ``work``

    def __init__(self, world: World, plan: AgentPlan) -> None:
        self.world = world
        self.plan = plan
        self.service = plan.service
        self.skills: Sequence[str] = plan.skills
        self.call: SimulatedCall | None = None
        self.there = False
        self.ends = 0.0  # the end of the shift, on the clock, in ms
        self._due: deque[tuple[float, str, float]] = deque()
        self._given: simpy.Event | None = None
        self._rings: SimulatedCall | None = None

    def tell(
        self, event_type: str, *, reason: str | None = None, call: SimulatedCall | None = None
    ) -> None:
        """Record that the agent enters a state."""
        self.world.tell.agent_state(self.plan, event_type, reason=reason, call=call)

    def take(self, call: SimulatedCall) -> None:
        """Answer an offered call, or let it ring while the caller continues to wait."""
        misses = self.world.plan.habits.misses
        if misses and self.world.happens(misses):
            call.waiting, self._rings = True, call
            self._woken()
        else:
            self.answer(call)

    def answer(self, call: SimulatedCall) -> None:
        """Answer a call now."""
        world = self.world
        self.call = call
        world.tell.call_answer(call, self.plan)
        call.answered = world.now
        self._woken(call)

    # -- the day ---------------------------------------------------------------------------

    def work(self) -> Process:
        """Work every shift. After a failure of the desk, the agent pauses and logs on again."""
        world = self.world
        while True:
            begins_in, ends_in = shift_of(self.plan, world.time_of_day)
            self.ends = world.now + ends_in * 1000
            yield world.pause(max(0.0, begins_in) + world.chance.uniform(0, LOGGING_ON))
            self._plan_breaks(self.ends - (ends_in - begins_in) * 1000)
            while not self.is_over:
                try:
                    yield from self._shift()
                except simpy.Interrupt as died:
                    self._is_silent()
                    yield world.pause(float(died.cause or 0))
            yield world.pause(1)  # so that the next shift begins later than this one ends

    def _shift(self) -> Process:
        yield from self._log_on()
        while not self.is_over:
            away = self._away()
            if away is not None:
                reason, seconds = away
                self.tell("NOT_READY", reason=reason)
                yield self.world.pause(seconds)
                continue
            self.tell("READY")
            call = yield from self.next_call()
            if self._rings is not None:
                yield from self._miss(self._rings)
            elif call is not None:
                yield from self.serve(call)
        self.log_off()

    def _log_on(self) -> Process:
        self.there = True
        self.tell("LOGON")
        if self.world.plan.habits.breaks:
            yield self.world.pause(REGISTERING / 2)
            self.tell("REGISTERING")
            yield self.world.pause(REGISTERING)

    def log_off(self) -> None:
        """Log off."""
        self.there = False
        self.tell("LOGOFF")

    def _miss(self, call: SimulatedCall) -> Process:
        """Let the call ring and return to its queue. The agent is then not ready for a while."""
        world, began, joined = self.world, self.world.now, call.joined
        self._rings = None

        def waits() -> bool:
            return call.waiting and call.joined == joined

        self.tell("RESERVED", call=call)
        try:
            yield world.drawn(world.plan.habits.ring_time)
        except simpy.Interrupt:
            if waits():
                world.acd.come_back(call)
            raise
        reason = "NO_ANSWER" if waits() else "CANCELLED"
        world.tell.agent_missed(call, self.plan, reason, world.now - began)
        self.tell("NOT_READY", reason=MISSED)
        if waits():
            world.acd.come_back(call)
        yield world.pause(AFTER_A_MISS)

    def _is_silent(self) -> None:
        """Handle a failure of the desk. No event reports the agent or the current call."""
        self.there, self._given = False, None
        self.world.acd.busy(self)
        if self.call is not None:
            self.world.lose(self.call)
            self.call = None

    @property
    def is_over(self) -> bool:
        """Whether the shift is over."""
        return self.world.now >= self.ends

    def is_due(self) -> bool:
        """Whether another task is due before the next call."""
        return self.is_over or bool(self._due and self._due[0][0] <= self.world.now)

    def _plan_breaks(self, begin: float) -> None:
        """Plan the breaks of the shift that began at ``begin`` (ms)."""
        chance, now = self.world.chance, self.world.now
        planned = []
        for one in BREAKS if self.world.plan.habits.breaks else ():
            at = begin + (one.begins + chance.uniform(-one.spread, one.spread)) * 1000
            if self.world.happens(one.share) and now < at < self.ends:
                planned.append((at, one.reason, one.seconds * chance.uniform(0.8, 1.3)))
                self.world.after((at - now) / 1000, self._woken)
        self.world.after((self.ends - now) / 1000, self._woken)
        self._due = deque(sorted(planned))

    def _away(self) -> tuple[str, float] | None:
        if self._due and self._due[0][0] <= self.world.now:
            _, reason, seconds = self._due.popleft()
            return reason, seconds
        return None

    # -- calls -----------------------------------------------------------------------------

    def next_call(self) -> CallToCome:
        """Wait for a call and return it, or None if another task is due."""
        given = self._given = self.world.env.event()
        self.world.acd.free(self)
        call: SimulatedCall | None = yield given
        self._given = None
        return call

    def _woken(self, call: SimulatedCall | None = None) -> None:
        if self._given is not None and not self._given.triggered:
            self.world.acd.busy(self)
            self._given.succeed(call)

    def serve(self, call: SimulatedCall) -> Process:
        """Talk (perhaps with a hold or a consultation), end or transfer the call, and wrap up."""
        world, habits = self.world, self.world.plan.habits
        service = call.service
        talk = max(SHORTEST_TALK, world.plan.services[service].talk.draw(world.chance))
        first = talk * world.chance.random()
        yield world.pause(first)
        if world.happens(habits.hold):
            self.tell("AGENT_HOLD", call=call)
            yield world.drawn(habits.hold_time)
            self.tell("AGENT_RESUMED", call=call)
        elif world.happens(habits.consult):
            yield from self._consult(call)
        yield world.pause(talk - first)
        if call.direction == "INBOUND" and world.happens(habits.passed_on):
            yield from self._pass_on(call)
        if self.call is call:
            world.end(call, "Operator Transfer (Agent Terminated Call)", self.plan)
            self.call = None
        yield from self.wrap_up(call, service)

    def _consult(self, call: SimulatedCall) -> Process:
        world, whom = self.world, self.world.chance.choice(("AGENT2", "SUPERVISOR"))
        self.tell(f"AGENT_TRANSFER_INITIATED_{whom}", call=call)
        yield world.pause(4)
        connected = world.happens(0.8)
        if connected:
            self.tell(f"AGENT_TRANSFER_CONNECTED_{whom}", call=call)
            yield world.drawn(world.plan.habits.consult_time)
        outcome = "COMPLETE" if connected else "FAILED"
        self.tell(f"AGENT_TRANSFER_{outcome}_{whom}", call=call)

    def _pass_on(self, call: SimulatedCall) -> Process:
        world = self.world
        if not somewhere_else(world, call):
            return
        self.tell("TRANSFERRING", call=call)
        yield world.drawn(world.plan.habits.passing_time)
        self.call = None
        world.tell.truth.is_passed_on(call, self.plan.login, world.now)
        call.service = world.chance.choice(somewhere_else(world, call))
        queue(world, call, self.plan)

    def wrap_up(self, call: SimulatedCall, service: str, *, answered: bool = True) -> Process:
        """Wrap up a call of ``service``."""
        world = self.world
        seconds = world.plan.services[service].wrap_up.draw(world.chance)
        # The event names a call that was not answered. Otherwise, the wrap-up would count for the
        # last call that the agent answered.
        self.tell("WRAP_UP", call=None if answered else call)
        yield world.pause(seconds / 2)
        if world.happens(world.plan.habits.dispositions):
            codes = INBOUND_CODES if call.direction == "INBOUND" else OUTBOUND_CODES
            (code,) = world.chance.choices(list(codes), list(codes.values()))
            world.tell.call_disposition(call, self.plan, service, code)
        yield world.pause(seconds / 2)


def shift_of(plan: AgentPlan, time_of_day: float) -> tuple[float, float]:
    """Return the seconds until the current or next shift begins (negative if it has) and ends."""
    if plan.shift is None:
        return 0.0, float("inf")
    length = plan.shift.ends - plan.shift.begins
    begins = (plan.shift.begins - time_of_day + DAY_SECONDS) % DAY_SECONDS
    if begins > DAY_SECONDS - length:
        begins -= DAY_SECONDS
    return begins, begins + length
