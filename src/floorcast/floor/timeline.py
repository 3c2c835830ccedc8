"""Orders an agent's states by their own times, and corrects the counts.

An event that is not older than the agent's last one is appended. A late event within the window is
inserted at its own time. From there on, the previous counts are taken back and new ones are made,
until the old and the new state are equal. Times, visits, wrap-ups, services and call counts are
therefore the same as if all events had arrived in order.

An agent's moments are kept for the window, in stretches of ``STRETCH`` moments. Each stretch has
the agent as it was before, so the cost of a late event depends only on the events that followed it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from copy import copy

from msgspec.structs import replace

from floorcast.floor.agent_states import AgentStates
from floorcast.floor.agents import AgentMoment, OnFloor, Stretch
from floorcast.floor.call_effects import CallEffects
from floorcast.floor.calls import Key
from floorcast.floor.queue_segments import ANSWER, Step

__all__ = ["Timeline", "forget_moments"]

STRETCH = 8  # moments
MOST_STRETCHES = 32


class Timeline:
    """Keeps agents' moments in order of their own times. ``window`` is in ms.

    The caller must call an agent's hooks before it uses the timeline to change the agent.
    """

    def __init__(self, states: AgentStates, calls: CallEffects, window: int) -> None:
        self._enter = states.enter
        self._calls = calls
        self._window = window

    def places(self, agent: OnFloor, at: int, now: int) -> bool:
        """Return whether a moment at ``at`` that was recorded at ``now`` can still be inserted."""
        if at >= agent.reached:
            return True
        past = agent.past
        return bool(past) and at >= past[0].before.reached and now - at <= self._window

    def take(self, agent: OnFloor, moment: AgentMoment, now: int) -> OnFloor:
        """Apply a moment that is not too late. Return the agent as it was at that moment."""
        at = moment.at
        if at < agent.reached:
            return self._insert(agent, moment)
        if now - at > self._window:
            if agent.past:
                forget_moments(agent)  # events before this one are too late from now on
            self._enter(agent, moment, 1)
            return agent
        if not agent.past or len(agent.past[-1].moments) >= STRETCH:
            self._begin_stretch(agent, at)
        self._enter(agent, moment, 1)
        agent.past[-1].moments.append(moment)
        return agent

    def calls_of(self, agent: OnFloor) -> Iterator[Key]:
        """Yield the calls that a late moment may change."""
        for checkpoint in (agent, *(stretch.before for stretch in agent.past)):
            yield from checkpoint.on
            for key in (checkpoint.answered, checkpoint.wraps_up):
                if key is not None:
                    yield key
        for stretch in agent.past:
            for moment in stretch.moments:
                call = None if moment.told is None else moment.told.call
                if call is not None and call.key is not None:
                    yield call.key

    def _begin_stretch(self, agent: OnFloor, at: int) -> None:
        """Begin a new stretch for later moments, and drop stretches from before the window."""
        past = agent.past
        past.append(Stretch(_checkpoint(agent), []))
        while len(past) > 1 and (
            past[1].before.reached <= at - self._window or len(past) > MOST_STRETCHES
        ):
            del past[0]

    # -- late moments ----------------------------------------------------------------------

    def _insert(self, agent: OnFloor, moment: AgentMoment) -> OnFloor:
        past = agent.past
        number = bisect_right(past, moment.at, key=_begun) - 1
        stretch = past[number]
        index = bisect_right(stretch.moments, moment.at, key=_at)
        run = _checkpoint(stretch.before)
        for known in stretch.moments[:index]:
            self._enter(run, known, 0)
        before, after = run, _checkpoint(run)
        self._enter(after, moment, 1)
        then = _checkpoint(after)
        rest = stretch.moments[index:]
        stretch.moments.insert(index, moment)
        if self._replay(agent.id, rest, before, after):
            for later in past[number + 1 :]:
                later.before = _checkpoint(after)
                if not self._replay(agent.id, later.moments, before, after):
                    break
            else:
                _become(agent, after)
        if len(stretch.moments) > 2 * STRETCH:
            self._split(past, number)
        return then

    def _replay(
        self, number: int, moments: list[AgentMoment], before: OnFloor, after: OnFloor
    ) -> bool:
        """Take back the moments' counts and count them again. Return False once they agree."""
        for known in moments:
            self._enter(before, known, -1)
            self._enter(after, known, 1)
            self._amend(known, number, before, after)
            if before == after:
                return False
        return True

    # -- the service of a call -------------------------------------------------------------

    def reassign(
        self, agent: OnFloor, key: Key, serving: Callable[[int], int | None], now: int
    ) -> None:
        """Move the agent's time in a call to the service that is now known to have the call.

        ``serving`` returns the service of the agent's segment of the call at a given time. A
        service that the agent's own event named stays. So does the service of a moment before the
        window.
        """
        anew: dict[tuple[int, int], AgentMoment] = {}
        for number, stretch in enumerate(agent.past):
            for index, moment in enumerate(stretch.moments):
                told = moment.told
                call = None if told is None else told.call
                if call is None or call.key != key or call.named is not None:
                    continue
                served = serving(moment.at)
                if served != call.served and now - moment.at <= self._window:
                    assert told is not None
                    call = replace(call, served=served)
                    anew[number, index] = replace(moment, told=replace(told, call=call))
        if anew:
            self._replace(agent, anew)

    def _replace(self, agent: OnFloor, anew: dict[tuple[int, int], AgentMoment]) -> None:
        """Replace some moments, and correct the counts as in ``_replay``."""
        past = agent.past
        (first, start), last = min(anew), max(anew)
        before = _checkpoint(past[first].before)
        for known in past[first].moments[:start]:
            self._enter(before, known, 0)
        after = _checkpoint(before)
        for number in range(first, len(past)):
            stretch = past[number]
            if number > first:
                stretch.before, start = _checkpoint(after), 0
            for index in range(start, len(stretch.moments)):
                known = stretch.moments[index]
                moment = stretch.moments[index] = anew.get((number, index), known)
                self._enter(before, known, -1)
                self._enter(after, moment, 1)
                if (number, index) >= last and before == after:
                    return
        _become(agent, after)

    def _split(self, past: list[Stretch], number: int) -> None:
        """Split a stretch that has become too long because late moments were inserted."""
        stretch = past[number]
        run = _checkpoint(stretch.before)
        for known in stretch.moments[:STRETCH]:
            self._enter(run, known, 0)
        past.insert(number + 1, Stretch(run, stretch.moments[STRETCH:]))
        del stretch.moments[STRETCH:]
        if len(past) > MOST_STRETCHES:
            del past[0]

    def _amend(self, moment: AgentMoment, agent: int, before: OnFloor, after: OnFloor) -> None:
        """Correct the service of an answer that named none, if the current service has changed."""
        if moment.kind != "IN_CALL" or before.at_hand == after.at_hand:
            return
        call = None if moment.told is None else moment.told.call
        if call is not None and call.key is not None and call.named is None:
            self._calls.amend(call.key, Step(moment.at, ANSWER, after.at_hand, agent))


_HISTORY = ("past", "seq", "changed_at", "several")
_STATUS = tuple(name for name in OnFloor.__struct_fields__ if name not in _HISTORY)


def _checkpoint(agent: OnFloor) -> OnFloor:
    """Return a copy of the agent's current state, without its history."""
    kept = copy(agent)
    kept.past = []
    kept.seq = kept.changed_at = 0
    kept.several = False
    return kept


def forget_moments(agent: OnFloor) -> None:
    """Drop the agent's moments, so that no event can be inserted among them any more."""
    agent.past = []


def _become(agent: OnFloor, other: OnFloor) -> None:
    for name in _STATUS:
        setattr(agent, name, getattr(other, name))


def _at(moment: AgentMoment) -> int:
    return moment.at


def _begun(stretch: Stretch) -> int:
    return stretch.before.reached
