"""Updates a floor's agents from their own events and from answers that name them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import takewhile

from floorcast.floor.agent_calls import AgentCalls, NamedCalls, service_answered_on
from floorcast.floor.agents import (
    ANSWERED,
    LATE_ANSWER,
    LATE_LOGON,
    AgentMoment,
    CurrentCall,
    EventDetails,
    FloorAgent,
)
from floorcast.floor.call_effects import CallEffects
from floorcast.floor.calls import Call, Key
from floorcast.floor.counters import reason_index
from floorcast.floor.directory import NO_SERVICE, Directory
from floorcast.floor.rosters import LoggedInRoster, Roster
from floorcast.floor.state import FloorState
from floorcast.floor.timeline import Timeline
from floorcast.model.inbound import AgentState, CallAnswer
from floorcast.model.inbound_data import AgentStateData
from floorcast.model.outbound import AgentEvent, OutboundEvent
from floorcast.model.states import LOGOFF, WRAP_UP
from floorcast.site.configuration import NotReadyReason

__all__ = ["AGENT2", "CALL_CENTER_OF_CALL", "AgentFold", "FoldTimes"]

CALL_CENTER_OF_CALL = (
    "call of "  # plus a call center: the kind of an event whose call is in another center
)
AGENT2 = (
    ";agent2 of"  # then the other agent's services and call centers, as " s1 c2"; ends the kind
)
MAX_LAG_MS = 3_600_000  # most time from recording an entry to a later request


class FoldTimes:
    """The times at which each agent's last change, and the last change of all, were folded (ms).

    They are needed because a response may be sent after an entry is recorded but before it is
    folded. They come from the node's clock, so they are not part of the floor's state.
    """

    def __init__(self) -> None:
        self.now = 0
        self.of_agents: dict[int, int] = {}

    def note(self, agent: int) -> None:
        """Record that the current fold has changed an agent."""
        self.of_agents.pop(agent, None)
        self.of_agents[agent] = self.now

    def forget(self) -> None:
        """Forget changes that are older than any entry still to be folded."""
        of_agents, before = self.of_agents, self.now - MAX_LAG_MS
        # a new iterator for each one would pass all those that are already deleted
        for agent in list(takewhile(lambda one: of_agents[one] < before, of_agents)):
            del of_agents[agent]


class AgentFold:
    """Folds agent events. ``too_late`` is called for events that are too late for any figure.

    ``folded`` records when each agent's last change was folded.
    """

    def __init__(
        self,
        state: FloorState,
        calls: CallEffects,
        rosters: tuple[LoggedInRoster, Roster[FloorAgent]],
        timeline: Timeline,
        too_late: Callable[[], None],
        folded: FoldTimes,
        named_calls: NamedCalls,
    ) -> None:
        self._state = state
        self._folded = folded
        self._calls = calls
        self._agent_calls = AgentCalls(state, calls, named_calls)
        self._logged_in_agents, self._logged_off_agents = rosters
        self._timeline = timeline
        self._too_late = too_late
        self._reasons = _counted_as(state.config.not_ready_reasons)
        self.log_offs: list[OutboundEvent] = []
        """The feed's events of the former ids that the current entry has logged off."""

    def fold_state(self, event: AgentState, at: int, now: int, _event_id: str) -> OutboundEvent:
        """Fold the event of an agent that entered a state at ``at``, recorded at ``now`` (ms).

        Returns the event for the feed.
        """
        data, directory = event.data, self._state.directory
        number = directory.agent(data.agent)
        if directory.former_agents:
            self._replace_former(number, min(at, now), now)
        agent = self.agent(number)
        agent.seq += 1
        kind, call, key = data.event_type, None, None
        service = None if data.service is None else directory.service(data.service)
        if data.call is not None:
            is_answer = kind == "IN_CALL"
            call = self._agent_calls.referenced_call(
                data.call, agent.id, min(at, now), is_answer=is_answer
            )
            key = call.key
        # a source whose clock is ahead must not add time that has not passed yet
        counts_at = min(at, now)
        details = (
            None if call is None and _has_no_details(data) else self._details(data, call, service)
        )
        moment = AgentMoment(counts_at, kind, service, details)
        if counts_at >= agent.applied_until or self._timeline.can_insert(agent, counts_at, now):
            if key is not None and kind == "IN_CALL":
                self._calls.table.touch(key, at, now)
            then = self._apply(agent, moment, now)
            service = then.service
            if call is not None and key is not None:
                own = then.named_service if call.named_service is None else call.named_service
                self._agent_calls.apply_to_call(agent, kind, call, key, own, at, now)
                if counts_at < self._timeline.horizon(now):
                    self._reassign(agent, key, counts_at, now)
        else:
            self._apply_late(agent, moment, now)
        served = None if service == NO_SERVICE else service
        feed_event = _agent_event(
            self._state.client, agent, data, call or agent.call, served, at, directory
        )
        of_call, center = feed_event.call_service_id, directory.call_center_of(served)
        facet = "" if of_call is None or of_call == served else _kind(feed_event, directory)
        if feed_event.agent2_id is not None:
            facet += self._places_of(feed_event.agent2_id)
        return OutboundEvent("agent", facet, served, center, feed_event)

    def _places_of(self, agent2: int) -> str:
        """Return the end of an event's kind: where the other agent is or was last logged in.

        A user who sees none of these places sees the event without the other agent.
        """
        known, directory = self._state.agents.get(agent2), self._state.directory
        services = [] if known is None else sorted({*known.logged_in_to} - {NO_SERVICE})
        centers = sorted({directory.call_center_of(one) or 0 for one in services} - {0})
        places = [*(f" s{one}" for one in services), *(f" c{one}" for one in centers)]
        return AGENT2 + "".join(places)

    def answered(self, number: int, call: Call, at: int, now: int) -> None:
        """Fold a ``call.answer`` that named the agent."""
        agent = self.agent(number)
        current = self._agent_calls.answered_call(call, number, min(at, now))
        self._calls.tally.reassigned[call.key].add(number)
        moment = AgentMoment(min(at, now), ANSWERED, None, EventDetails(call=current))
        if self._timeline.can_insert(agent, moment.at, now):
            self._timeline.apply(agent, moment, now)
        else:
            details = EventDetails(call=current, logon_at=moment.at)
            late = AgentMoment(agent.applied_until, LATE_ANSWER, None, details)
            self._timeline.apply(agent, late, now)

    def reassign(self, now: int) -> None:
        """Move agents' time to the services that their calls are now known to belong to.

        This runs after the event, because an agent's moments cannot change during a replay.
        """
        reassigned = self._calls.tally.reassigned
        for key in list(reassigned):
            for number in reassigned.pop(key):
                agent = self._state.agents.get(number)
                if agent is not None:
                    self._reassign(agent, key, self._timeline.horizon(now), now)

    def _reassign(self, agent: FloorAgent, key: Key, since: int, now: int) -> None:
        call = self._calls.table.calls.get(key)
        if call is not None:
            number, service = agent.id, agent.service
            found = self._timeline.find_reassigned(
                agent, key, partial(service_answered_on, call, number), since
            )
            if found:
                self._timeline.replace_moments(self.agent(number), found)
                if agent.service != service:
                    self._note_change(agent, now)

    def agent(self, number: int) -> FloorAgent:
        """Return an agent that is about to change, after calling the hooks. It may be new."""
        hooks = self._calls.hooks
        for hook in hooks.agents:
            hook(number)
        agent = self._state.agents.get(number)
        if agent is None:
            agent = self._state.agents[number] = FloorAgent(number)
            self._logged_off_agents.put(number, agent, agent.logged_in_to)
        if hooks.services:
            for service in agent.logged_in_to:
                for hook in hooks.services:
                    hook(service)
        return agent

    def _add_former_calls(self, numbers: Iterable[int], found: dict[Key, None]) -> None:
        """Add the unloaded calls of agents in Wrapup, which logging off changes."""
        agents = (self._state.agents.get(number) for number in numbers)
        for key in (agent.wrap_up_call for agent in agents if agent is not None):
            if key is not None and key not in self._calls.table.calls:
                found[key] = None

    def _replace_former(self, number: int, at: int, now: int) -> None:
        """Log off the former ids of an agent's login when the agent has its first event at ``at``.

        Otherwise, the same person would be logged in twice. The agent is logged in to the services
        that the person was logged in to, until an event names others.
        """
        directory = self._state.directory
        for former in directory.former_ids(number):
            if former in self._state.agents and former != number:
                left = self.agent(former)
                was_logged_in, left_at = left.logged_in, max(at, left.applied_until)
                self._apply(left, AgentMoment(left_at, "LOGOFF"), now)
                if was_logged_in:
                    self._publish_log_off(left, left_at)
                self._inherit(self.agent(number), left, at, now)
        directory.former_agents.pop(directory.agents[number].login, None)

    def _publish_log_off(self, agent: FloorAgent, at: int) -> None:
        agent.seq += 1
        directory = self._state.directory
        served = None if agent.service == NO_SERVICE else agent.service
        data = AgentStateData(agent=agent.id, event_type="LOGOFF")
        event = _agent_event(self._state.client, agent, data, None, served, at, directory)
        center = directory.call_center_of(served)
        self.log_offs.append(OutboundEvent("agent", "", served, center, event))

    def _inherit(self, agent: FloorAgent, former: FloorAgent, at: int, now: int) -> None:
        """Give an agent the services and the team of its former id.

        A service that a later event has named stays, and so does a team that the site declares.
        """
        since, named = max(at, agent.applied_until), former.named_service
        services = former.services or (None if named is None else (named,))
        team = former.team if self._state.directory.agents[agent.id].team is None else None
        details = EventDetails(
            services=services,
            team=team,
            logon_at=former.service_at,
            since=max(since, self._timeline.horizon(now)),
        )
        self._apply(agent, AgentMoment(since, LATE_LOGON, named, details), now)

    def update_rosters(self, agent: FloorAgent) -> None:
        """Update the services under which the rosters list the agent."""
        on = agent.logged_in
        self._logged_in_agents.put(agent.id, agent, agent.logged_in_to if on else ())
        self._logged_off_agents.put(agent.id, agent, () if on else agent.logged_in_to)

    def add_unnamed_calls(self, event: AgentState | CallAnswer, found: dict[Key, None]) -> None:
        """Add to ``found`` the unloaded calls that the event can change without naming them."""
        directory, ref = self._state.directory, event.data.agent
        if ref is None:
            return
        number = directory.known_agent(ref)
        if directory.former_agents and number is not None:
            self._add_former_calls(directory.former_ids(number), found)
        agent = None if number is None else self._state.agents.get(number)
        if agent is None:
            return
        keys, time = _NO_KEYS, event.time
        # the same as ``milliseconds(time) < agent.applied_until``, but without rounding first
        if time is not None and time.timestamp() * 1000 + 0.0005 < agent.applied_until:
            keys = self._timeline.calls_of(agent)
        elif agent.state is WRAP_UP or (
            type(event) is AgentState and event.data.event_type == "WRAP_UP"
        ):
            keys = (agent.wrap_up_call, agent.answered)
        elif type(event) is AgentState and event.data.event_type == "IN_CALL":
            # calls that the agent leaves for this one; it has already left any that ended
            quiet = self._calls.table.quiet
            keys = [key for key in agent.current_calls if key in quiet]
        for key in keys:
            if key is not None and key not in self._calls.table.calls:
                found[key] = None

    # -- one event -------------------------------------------------------------------------

    def _apply(self, agent: FloorAgent, moment: AgentMoment, now: int) -> FloorAgent:
        state, since, reason = agent.state, agent.since, agent.reason
        at, services, team = agent.service, agent.services, agent.team
        then = self._timeline.apply(agent, moment, now)
        moved = agent.service != at or agent.services != services
        if moved or agent.state is not state or agent.since != since or agent.reason != reason:
            if agent.state is not LOGOFF or agent.since != since:
                self._note_change(agent, now)
            if moved or (agent.state is LOGOFF) is not (state is LOGOFF):
                self.update_rosters(agent)
        if agent.team is not None and agent.team != team:
            self._state.directory.join_team(agent.id, agent.team)
        return then

    def forget_call(self, call: Call) -> None:
        """Note that a call leaves memory."""
        self._agent_calls.keep_members(call)

    def _note_change(self, agent: FloorAgent, now: int) -> None:
        agent.changed_at = now
        self._folded.note(agent.id)

    def _apply_late(self, agent: FloorAgent, moment: AgentMoment, now: int) -> None:
        """Fold an event that is too late for any figure.

        A LOGON still sets the members that no other event has set. They apply from the agent's last
        event on, but not to time that is older than the window.
        """
        self._too_late()
        if moment.kind == "LOGON":
            known = moment.details or EventDetails()
            since = max(agent.applied_until, self._timeline.horizon(now))
            details = EventDetails(
                services=known.services, team=known.team, logon_at=moment.at, since=since
            )
            late = AgentMoment(agent.applied_until, LATE_LOGON, moment.service, details)
            self._apply(agent, late, now)

    def _details(
        self, data: AgentStateData, call: CurrentCall | None, service: int | None
    ) -> EventDetails | None:
        reason, skill, monitored = data.reason, data.skill, data.monitored
        services, team = None, None
        if data.services is not None:
            services = tuple(dict.fromkeys(map(self._state.directory.service, data.services)))
            if service is not None and service not in services:
                services = (*services, service)  # the agent serves it, too
        if data.team is not None:
            team = self._state.directory.team(data.team)
        reason_slot = _NO_REASON if not reason else reason_index(self._reasons.get(reason, reason))
        return EventDetails(reason, reason_slot, services, team, monitored, skill, call)


_NO_KEYS: Iterable[Key | None] = ()
_NO_REASON = reason_index(None)


def _has_no_details(data: AgentStateData) -> bool:
    """Return whether the event has only a state and a service."""
    if data.reason is not None or data.monitored is not None or data.skill is not None:
        return False
    return data.services is None and data.team is None


def _counted_as(reasons: tuple[NotReadyReason, ...]) -> dict[str, str]:
    return {one.reason: one.counts_as for one in reasons}


def _agent_event(
    client: int,
    agent: FloorAgent,
    data: AgentStateData,
    call: CurrentCall | None,
    service: int | None,
    at: int,
    directory: Directory,
) -> AgentEvent:
    """Return the feed's event for an agent that entered a state on ``service`` at ``at`` (ms)."""
    entry = directory.agents[agent.id]
    # with more than 15 keyword arguments, Python 3.11 builds a dictionary of them first
    feed_event = AgentEvent(
        timestamp=at,
        client_id=client,
        agent_id=agent.id,
        agent_service_id=service,
        agent_team_id=entry.team,
        agent_login_id=entry.login,
        line_number=data.line_number or "ACD",
        event_type=data.event_type,
        not_ready_reason_code=data.reason,
        result=data.result,
        seq_num=agent.seq,
        event_id=f"cid={client}:aid={agent.id}:time={at}:seq={agent.seq}",
    )
    if call is not None:
        feed_event.call_service_id = call.service
        feed_event.transaction_id, feed_event.session_id = call.transaction, call.session
        feed_event.phone_number, feed_event.account = call.phone, call.account
        feed_event.campaign_type = call.campaign_type
    if data.agent2 is not None:
        feed_event.agent2_id = directory.agent(data.agent2)
    if data.supervisor is not None:
        feed_event.supervisor_session_id = data.supervisor.session_id
        feed_event.supervisor_phone_number = data.supervisor.phone_number
    return feed_event


def _kind(event: AgentEvent, directory: Directory) -> str:
    """Return the kind for filters. It names the call's call center if this is not the agent's.

    A user who may not see that call center sees the event without its call.
    """
    service = event.call_service_id
    if service is None or service == event.agent_service_id:
        return ""
    center = directory.call_center_of(service)
    if center == directory.call_center_of(event.agent_service_id):
        return ""
    return f"{CALL_CENTER_OF_CALL}{'' if center is None else center}"
