"""Simulates an agent's day: the shift, the breaks and the calls."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import simpy

from floorcast.simulator.queueing import enqueue, overflow_services
from floorcast.simulator.scenario import DAY_SECONDS, AgentPlan
from floorcast.simulator.simulated_call import SimulatedCall
from floorcast.simulator.world import NextCall, Process, World

__all__ = ["SimulatedAgent", "next_shift"]

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
LOGON_SPREAD_SECONDS = 20.0  # at most, until all agents of a shift have logged on
REGISTERING_SECONDS = 4.0
MISSED, MISS_PAUSE_SECONDS = "Missed call", 150.0  # the reason, and the seconds until READY again
MIN_TALK_SECONDS = 0.5  # so that no call ends at the moment when it is answered
OUTBOUND_CODES = {"RPC": 0.3, "RPC_INCOMPLETE": 0.35, "WPC": 0.2, "CALLBACK": 0.15}
INBOUND_CODES = {"RPC": 0.45, "RPC_INCOMPLETE": 0.25, "INFORMATION": 0.25, "WPC": 0.05}


class SimulatedAgent:
    """A simulated agent.

    ``call`` is the current call. ``is_logged_on`` tells whether, according to
    events, the agent is logged on.
    """

    process: simpy.Process  # of ``work``

    def __init__(self, world: World, plan: AgentPlan) -> None:
        self.world = world
        self.plan = plan
        self.service = plan.service
        self.skills: Sequence[str] = plan.skills
        self.call: SimulatedCall | None = None
        self.is_logged_on = False
        self.ends = 0.0  # the end of the shift, on the clock, in ms
        self._planned_breaks: deque[tuple[float, str, float]] = deque()
        self._call_event: simpy.Event | None = None
        self._ringing_call: SimulatedCall | None = None

    def record_state(
        self, event_type: str, *, reason: str | None = None, call: SimulatedCall | None = None
    ) -> None:
        """Record that the agent enters a state."""
        self.world.recorder.agent_state(self.plan, event_type, reason=reason, call=call)

    def offer(self, call: SimulatedCall) -> None:
        """Answer an offered call, or let it ring while the caller continues to wait."""
        misses = self.world.plan.habits.misses
        if misses and self.world.happens(misses):
            call.waiting, self._ringing_call = True, call
            self._wake()
        else:
            self.answer(call)

    def answer(self, call: SimulatedCall) -> None:
        """Answer a call now."""
        world = self.world
        self.call = call
        world.recorder.call_answer(call, self.plan)
        call.answered = world.now
        self._wake(call)

    # -- the day ---------------------------------------------------------------------------

    def work(self) -> Process:
        """Work every shift. After a failure of the desk, the agent pauses and logs on again."""
        world = self.world
        while True:
            begins_in, ends_in = next_shift(self.plan, world.time_of_day)
            self.ends = world.now + ends_in * 1000
            yield world.pause(max(0.0, begins_in) + world.chance.uniform(0, LOGON_SPREAD_SECONDS))
            self._plan_breaks(self.ends - (ends_in - begins_in) * 1000)
            while not self.is_over:
                try:
                    yield from self._shift()
                except simpy.Interrupt as interrupt:
                    self._handle_desk_failure()
                    yield world.pause(float(interrupt.cause or 0))
            yield world.pause(1)  # so that the next shift begins later than this one ends

    def _shift(self) -> Process:
        yield from self._log_on()
        while not self.is_over:
            next_break = self._next_break()
            if next_break is not None:
                reason, seconds = next_break
                self.record_state("NOT_READY", reason=reason)
                yield self.world.pause(seconds)
                continue
            self.record_state("READY")
            call = yield from self.next_call()
            if self._ringing_call is not None:
                yield from self._miss(self._ringing_call)
            elif call is not None:
                yield from self.serve(call)
        self.log_off()

    def _log_on(self) -> Process:
        self.is_logged_on = True
        self.record_state("LOGON")
        if self.world.plan.habits.breaks:
            yield self.world.pause(REGISTERING_SECONDS / 2)
            self.record_state("REGISTERING")
            yield self.world.pause(REGISTERING_SECONDS)

    def log_off(self) -> None:
        """Log off."""
        self.is_logged_on = False
        self.record_state("LOGOFF")

    def _miss(self, call: SimulatedCall) -> Process:
        """Let the call ring and return to its queue. The agent is then not ready for a while."""
        world, began, joined = self.world, self.world.now, call.joined
        self._ringing_call = None

        def waits() -> bool:
            return call.waiting and call.joined == joined

        self.record_state("RESERVED", call=call)
        try:
            yield world.random_pause(world.plan.habits.ring_time)
        except simpy.Interrupt:
            if waits():
                world.acd.requeue(call)
            raise
        reason = "NO_ANSWER" if waits() else "CANCELLED"
        world.recorder.agent_missed(call, self.plan, reason, world.now - began)
        self.record_state("NOT_READY", reason=MISSED)
        if waits():
            world.acd.requeue(call)
        yield world.pause(MISS_PAUSE_SECONDS)

    def _handle_desk_failure(self) -> None:
        """Handle a failure of the desk. No event reports the agent or the current call."""
        self.is_logged_on, self._call_event = False, None
        self.world.acd.mark_busy(self)
        if self.call is not None:
            self.world.lose(self.call)
            self.call = None

    @property
    def is_over(self) -> bool:
        """Whether the shift is over."""
        return self.world.now >= self.ends

    def is_due(self) -> bool:
        """Whether another task is due before the next call."""
        return self.is_over or bool(
            self._planned_breaks and self._planned_breaks[0][0] <= self.world.now
        )

    def _plan_breaks(self, begin: float) -> None:
        """Plan the breaks of the shift that began at ``begin`` (ms)."""
        chance, now = self.world.chance, self.world.now
        planned = []
        for one in BREAKS if self.world.plan.habits.breaks else ():
            at = begin + (one.begins + chance.uniform(-one.spread, one.spread)) * 1000
            if self.world.happens(one.share) and now < at < self.ends:
                planned.append((at, one.reason, one.seconds * chance.uniform(0.8, 1.3)))
                self.world.after((at - now) / 1000, self._wake)
        self.world.after((self.ends - now) / 1000, self._wake)
        self._planned_breaks = deque(sorted(planned))

    def _next_break(self) -> tuple[str, float] | None:
        if self._planned_breaks and self._planned_breaks[0][0] <= self.world.now:
            _, reason, seconds = self._planned_breaks.popleft()
            return reason, seconds
        return None

    # -- calls -----------------------------------------------------------------------------

    def next_call(self) -> NextCall:
        """Wait for a call and return it, or None if another task is due."""
        call_event = self._call_event = self.world.env.event()
        self.world.acd.mark_ready(self)
        call: SimulatedCall | None = yield call_event
        self._call_event = None
        return call

    def _wake(self, call: SimulatedCall | None = None) -> None:
        if self._call_event is not None and not self._call_event.triggered:
            self.world.acd.mark_busy(self)
            self._call_event.succeed(call)

    def serve(self, call: SimulatedCall) -> Process:
        """Talk (perhaps with a hold or a consultation), end or transfer the call, and wrap up."""
        world, habits = self.world, self.world.plan.habits
        service = call.service
        talk = max(MIN_TALK_SECONDS, world.plan.services[service].talk.draw(world.chance))
        first = talk * world.chance.random()
        yield world.pause(first)
        if world.happens(habits.hold):
            self.record_state("AGENT_HOLD", call=call)
            yield world.random_pause(habits.hold_time)
            self.record_state("AGENT_RESUMED", call=call)
        elif world.happens(habits.consult):
            yield from self._consult(call)
        yield world.pause(talk - first)
        if call.direction == "INBOUND" and world.happens(habits.passed_on):
            yield from self._transfer(call)
        if self.call is call:
            world.end(call, "Operator Transfer (Agent Terminated Call)", self.plan)
            self.call = None
        yield from self.wrap_up(call, service)

    def _consult(self, call: SimulatedCall) -> Process:
        world, target = self.world, self.world.chance.choice(("AGENT2", "SUPERVISOR"))
        self.record_state(f"AGENT_TRANSFER_INITIATED_{target}", call=call)
        yield world.pause(4)
        connected = world.happens(0.8)
        if connected:
            self.record_state(f"AGENT_TRANSFER_CONNECTED_{target}", call=call)
            yield world.random_pause(world.plan.habits.consult_time)
        outcome = "COMPLETE" if connected else "FAILED"
        self.record_state(f"AGENT_TRANSFER_{outcome}_{target}", call=call)

    def _transfer(self, call: SimulatedCall) -> Process:
        world = self.world
        if not overflow_services(world, call):
            return
        self.record_state("TRANSFERRING", call=call)
        yield world.random_pause(world.plan.habits.passing_time)
        self.call = None
        world.recorder.truth.record_transfer(call, self.plan.login, world.now)
        call.service = world.chance.choice(overflow_services(world, call))
        enqueue(world, call, self.plan)

    def wrap_up(self, call: SimulatedCall, service: str, *, answered: bool = True) -> Process:
        """Wrap up a call of ``service``."""
        world = self.world
        seconds = world.plan.services[service].wrap_up.draw(world.chance)
        # The event names a call that was not answered. Otherwise, the wrap-up would count for the
        # last call that the agent answered.
        self.record_state("WRAP_UP", call=None if answered else call)
        yield world.pause(seconds / 2)
        if world.happens(world.plan.habits.dispositions):
            codes = INBOUND_CODES if call.direction == "INBOUND" else OUTBOUND_CODES
            (code,) = world.chance.choices(list(codes), list(codes.values()))
            world.recorder.call_disposition(call, self.plan, service, code)
        yield world.pause(seconds / 2)


def next_shift(plan: AgentPlan, time_of_day: float) -> tuple[float, float]:
    """Return the seconds until the current or next shift begins (negative if it has) and ends."""
    if plan.shift is None:
        return 0.0, float("inf")
    length = plan.shift.ends - plan.shift.begins
    begins = (plan.shift.begins - time_of_day + DAY_SECONDS) % DAY_SECONDS
    if begins > DAY_SECONDS - length:
        begins -= DAY_SECONDS
    return begins, begins + length
