"""Orders an agent's states by their own times, and corrects the counts.

An event that is not older than the agent's last one is appended. A late event within the window is
inserted at its own time. From there on, the previous counts are taken back and new ones are made,
until the old and the new state are equal. If the agent left other calls than before, this goes on,
because it may have returned to them later. Times, visits, wrap-ups, services and call counts are
therefore the same as if all events had arrived in order.

An agent's moments are kept for the window, in runs of ``RUN_MOMENTS`` moments. Each run has
the agent as it was before, so the cost of a late event depends only on the events that followed it.
If all agents together have more than ``MAX_ALL_RUNS``, an agent with new events keeps only its
newest ones. This depends only on the floor's state, so all nodes agree.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from copy import copy

from msgspec.structs import replace

from floorcast.floor.agent_sizes import AgentSizes, runs_in, runs_of
from floorcast.floor.agent_states import AgentStates
from floorcast.floor.agents import AgentMoment, FloorAgent, MomentRun
from floorcast.floor.call_effects import CallEffects
from floorcast.floor.calls import Key
from floorcast.floor.queue_segments import ANSWER, Step

__all__ = ["Replacements", "Timeline", "forget_moments", "forget_old_moments"]

RUN_MOMENTS = 8  # moments
MAX_RUNS = 32
MAX_ALL_RUNS = 250_000  # of all agents, which take about 1.1 GB
MIN_RUNS = 2  # that each agent keeps, even if all agents have more than that
_FORGOTTEN_PER_STEP = 500  # agents, which take a millisecond or two

Replacements = dict[tuple[int, int], AgentMoment]
"""New moments, by the number of their run and their index in it."""


class Timeline:
    """Keeps agents' moments in order of their own times. ``window`` is in ms.

    The caller must call an agent's hooks before it uses the timeline to change the agent.
    """

    def __init__(
        self, states: AgentStates, calls: CallEffects, window: int, sizes: AgentSizes
    ) -> None:
        self._enter = states.enter
        self._departures = states.departures
        self._calls = calls
        self._window = window
        self._sizes = sizes

    def horizon(self, now: int) -> int:
        """Return the oldest time that an event recorded at ``now`` can still change."""
        return now - self._window

    def can_insert(self, agent: FloorAgent, at: int, now: int) -> bool:
        """Return whether a moment at ``at`` that was recorded at ``now`` can still be inserted."""
        if at >= agent.applied_until:
            return True
        past = agent.past
        return bool(past) and at >= past[0].before.applied_until and now - at <= self._window

    def apply(self, agent: FloorAgent, moment: AgentMoment, now: int) -> FloorAgent:
        """Apply a moment that is not too late. Return the agent as it was at that moment."""
        then = agent
        if self._departures:
            self._departures.clear()
        if moment.at < agent.applied_until:
            then = self._insert(agent, moment)
        else:
            self._append(agent, moment, now)
        if moment.details is not None or agent.id in self._sizes.by_agent:
            self._sizes.note(agent, moment.details)
        return then

    def _append(self, agent: FloorAgent, moment: AgentMoment, now: int) -> None:
        at = moment.at
        if now - at > self._window and agent.past:
            forget_moments(agent, self._sizes)  # events before this one are too late from now on
        if not agent.past or len(agent.past[-1].moments) >= RUN_MOMENTS:
            self._begin_run(agent, at)
        self._enter(agent, moment, 1)
        agent.past[-1].moments.append(moment)

    def calls_of(self, agent: FloorAgent) -> Iterator[Key]:
        """Yield the calls that a late moment may change."""
        for checkpoint in (agent, *(run.before for run in agent.past)):
            yield from checkpoint.current_calls
            for key in (checkpoint.answered, checkpoint.wrap_up_call):
                if key is not None:
                    yield key
        for run in agent.past:
            for moment in run.moments:
                call = None if moment.details is None else moment.details.call
                if call is not None and call.key is not None:
                    yield call.key

    def _begin_run(self, agent: FloorAgent, at: int) -> None:
        """Begin a new run for later moments, and drop runs from before the window."""
        past, sizes = agent.past, self._sizes
        if past:
            sizes.runs += runs_in(past[-1])
        past.append(MomentRun(_checkpoint(agent), []))
        most = self._max_runs()
        while len(past) > 1 and (
            past[1].before.applied_until <= at - self._window or len(past) > most
        ):
            sizes.runs -= runs_in(past[0])
            del past[0]

    def _max_runs(self) -> int:
        return MAX_RUNS if self._sizes.runs <= MAX_ALL_RUNS else MIN_RUNS

    # -- late moments ----------------------------------------------------------------------

    def _insert(self, agent: FloorAgent, moment: AgentMoment) -> FloorAgent:
        past = agent.past
        number = bisect_right(past, moment.at, key=_run_start) - 1
        self._sizes.runs -= runs_of(agent, number)
        run = past[number]
        index = bisect_right(run.moments, moment.at, key=_at)
        replayed = _checkpoint(run.before)
        for known in run.moments[:index]:
            self._enter(replayed, known, 0)
        before, after = replayed, _checkpoint(replayed)
        self._enter(after, moment, 1)
        then = _checkpoint(after)
        rest = run.moments[index:]
        run.moments.insert(index, moment)
        if self._replay(agent.id, rest, before, after):
            for later in past[number + 1 :]:
                later.before = _checkpoint(after)
                if not self._replay(agent.id, later.moments, before, after):
                    break
            else:
                _copy_status(agent, after)
        if len(run.moments) > 2 * RUN_MOMENTS:
            self._split(past, number)
        self._sizes.runs += runs_of(agent, number)
        if len(past) > self._max_runs():
            self._sizes.runs -= runs_in(past[0])
            del past[0]
        return then

    def _replay(
        self, number: int, moments: list[AgentMoment], before: FloorAgent, after: FloorAgent
    ) -> bool:
        """Take back the moments' counts and count them again. Return False once they agree."""
        for known in moments:
            self._enter(before, known, -1)
            self._enter(after, known, 1)
            self._amend(known, number, before, after)
            if before == after and not self._departures:
                return False
        return True

    # -- the service of a call -------------------------------------------------------------

    def find_reassigned(
        self, agent: FloorAgent, key: Key, service_at: Callable[[int], int | None], since: int
    ) -> Replacements:
        """Return the agent's moments in a call with the service that is now known to have the call.

        ``service_at`` returns the service of the agent's segment of the call at a given time. A
        service that the agent's own event named stays. So does the service of a moment before
        ``since``.
        """
        found: Replacements = {}
        transaction, session = key
        for number, run in enumerate(agent.past):
            for index, moment in enumerate(run.moments):
                details = moment.details
                if details is None or (call := details.call) is None:
                    continue
                if call.transaction != transaction or call.session != session:
                    continue
                if call.named_service is not None or moment.at < since:
                    continue
                if (served := service_at(moment.at)) != call.answered_service:
                    call = replace(call, answered_service=served)
                    found[number, index] = replace(moment, details=replace(details, call=call))
        return found

    def replace_moments(self, agent: FloorAgent, replacements: Replacements) -> None:
        """Replace some moments, and correct the counts of the agent's time as in ``_replay``.

        The moments differ only in the service of a call, so they change no call. The calls that
        they name may have left memory.
        """
        first, _ = min(replacements)
        self._sizes.runs -= runs_of(agent, first)
        self._replace_moments(agent, replacements)
        self._sizes.runs += runs_of(agent, first)

    def _replace_moments(self, agent: FloorAgent, replacements: Replacements) -> None:
        past = agent.past
        (first, start), last = min(replacements), max(replacements)
        before = _checkpoint(past[first].before)
        for known in past[first].moments[:start]:
            self._enter(before, known, 0)
        after = _checkpoint(before)
        for number in range(first, len(past)):
            run = past[number]
            if number > first:
                run.before, start = _checkpoint(after), 0
            for index in range(start, len(run.moments)):
                known = run.moments[index]
                moment = run.moments[index] = replacements.get((number, index), known)
                self._enter(before, known, -1, calls=False)
                self._enter(after, moment, 1, calls=False)
                if (number, index) >= last and before == after:
                    return
        _copy_status(agent, after)

    def _split(self, past: list[MomentRun], number: int) -> None:
        """Split a run that has become too long because late moments were inserted."""
        run = past[number]
        replayed = _checkpoint(run.before)
        for known in run.moments[:RUN_MOMENTS]:
            self._enter(replayed, known, 0)
        past.insert(number + 1, MomentRun(replayed, run.moments[RUN_MOMENTS:]))
        del run.moments[RUN_MOMENTS:]

    def _amend(
        self, moment: AgentMoment, agent: int, before: FloorAgent, after: FloorAgent
    ) -> None:
        """Correct the service of an answer that named none, if the current service has changed."""
        if moment.kind != "IN_CALL" or before.named_service == after.named_service:
            return
        call = None if moment.details is None else moment.details.call
        if call is not None and call.key is not None and call.named_service is None:
            self._calls.amend(call.key, Step(moment.at, ANSWER, after.named_service, agent))


_HISTORY = ("past", "seq", "changed_at")
_STATUS = tuple(name for name in FloorAgent.__struct_fields__ if name not in _HISTORY)


def _checkpoint(agent: FloorAgent) -> FloorAgent:
    """Return a copy of the agent's current state, without its history."""
    kept = copy(agent)
    kept.past = []
    kept.seq = kept.changed_at = 0
    return kept


def forget_moments(agent: FloorAgent, sizes: AgentSizes) -> None:
    """Drop the agent's moments, so that no event can be inserted among them any more."""
    sizes.runs -= runs_of(agent)
    agent.past = []
    sizes.note(agent)


def forget_old_moments(
    agents: Mapping[int, FloorAgent], sizes: AgentSizes, horizon: int
) -> Iterator[None]:
    """Drop the moments of agents that have had no event since ``horizon`` (ms).

    No event can be inserted among these moments any more. Only agents with long texts drop them, or
    all agents if they have too many. Yields after each step of a few ms.
    """
    numbers = list(agents if sizes.runs > MAX_ALL_RUNS else sizes.by_agent)
    for count, number in enumerate(numbers, 1):
        agent = agents[number]
        if agent.past and agent.applied_until < horizon:
            forget_moments(agent, sizes)
        if count % _FORGOTTEN_PER_STEP == 0:
            yield


def _copy_status(agent: FloorAgent, other: FloorAgent) -> None:
    for name in _STATUS:
        setattr(agent, name, getattr(other, name))


def _at(moment: AgentMoment) -> int:
    return moment.at


def _run_start(run: MomentRun) -> int:
    return run.before.applied_until
