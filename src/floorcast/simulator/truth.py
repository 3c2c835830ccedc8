"""Counts the true figures of the simulated floor.

The figures are counted as things happen on the floor, not from events. They can therefore be
compared with the figures of a server that receives only the events. Times and durations are in ms.
Memory use depends on the size of the floor, not on the duration of the run.
"""

from __future__ import annotations

from collections import Counter, deque

from floorcast.model.states import CALL_STATES, EVENT_STATE, State
from floorcast.simulator.simulated_call import Disposition, SimulatedCall
from floorcast.simulator.true_figures import AgentTruth, CampaignTruth, ServiceTruth

__all__ = ["Truth"]

HALF_HOUR_MS = 1_800_000
QUARTER_MS = 900_000  # UTC offsets are whole quarters, so quarters never span two local days
MAX_QUARTERS = 104  # per service; the log keeps entries for about as long
EXIT_IS_END_MS = 1_000  # a call that ends this soon after it left its queue counts as abandoned
HOLDS_CALL = CALL_STATES | {
    State.DIALING,
    State.MANUAL_DIAL,
    State.PREVIEW_DIAL,
    State.RESERVED,
}
RIGHT_PARTY = frozenset({"RPC", "RPC_INCOMPLETE"})


class Truth:
    """All true figures since ``begin`` (epoch ms).

    ``connects`` has the right-party contacts of the last half hour.
    """

    def __init__(self, services: dict[str, int], begin: int = 0) -> None:
        self._begin = begin
        self.services = {name: ServiceTruth(sla * 1000) for name, sla in services.items()}
        self.agents: dict[str, AgentTruth] = {}
        self.campaigns: dict[str, CampaignTruth] = {}
        self.messages: Counter[str] = Counter()
        self.deaths = 0
        self._lost: set[SimulatedCall] = set()  # answered calls whose source died
        self.connects: deque[tuple[int, SimulatedCall, Disposition]] = deque()

    def count_until(self, now: int) -> None:
        """Count the current state of all agents up to now."""
        for agent in self.agents.values():
            agent.count_until(now)

    # -- calls -----------------------------------------------------------------------------

    def record_start(self, call: SimulatedCall) -> None:
        """Count a new call."""
        service = self.services[call.service]
        service.begun += 1
        service.outbound += call.direction != "INBOUND"

    def record_join(self, call: SimulatedCall, now: int) -> None:
        """Count a call that joined a queue."""
        service = self.services[call.service]
        service.offered += 1
        self._count(service, "offered", now)
        service.waiting[call] = now

    def record_exit(self, call: SimulatedCall, reason: str) -> None:
        """Count a call that left a queue without an answer but did not end."""
        service = self.services[call.service]
        service.moved += 1
        service.left[reason] += 1
        del service.waiting[call]

    def record_answer(self, call: SimulatedCall, login: str, now: int) -> None:
        """Count an answer by an agent. The call may not have been in a queue."""
        service = self.services[call.service]
        joined = service.waiting.pop(call, None)
        wait = 0 if joined is None else now - joined
        service.offered += joined is None
        if joined is None:
            self._count(service, "offered", now)
        service.answered += 1
        self._count(service, "handled", now)
        if joined is None and call.direction != "INBOUND":
            service.unqueued += 1
        else:
            service.answered_wait += wait
            service.answered_within += wait <= service.sla
        service.talking += 1
        agent = self.agents[login]
        if agent.took is not None and agent.took in self._lost:
            # an agent who is in another call has left the previous one
            self._lost.discard(agent.took)
            self.services[agent.took.service].talking -= 1
        agent.wraps_up, agent.took = call.service, call
        work = agent.at(call.service)
        work.inbound += call.direction == "INBOUND"
        work.outbound += call.direction != "INBOUND"

    def record_transfer(self, call: SimulatedCall, login: str, now: int) -> None:
        """Count a call that the agent transferred to another queue."""
        self._record_talk(call, now)
        self.agents[login].took = None
        self.services[call.service].passed_on += 1

    def record_end(self, call: SimulatedCall, now: int) -> None:
        """Count the end of a call, which can be with an agent, in a queue or before the queue."""
        service = self.services[call.service]
        service.outbound -= call.direction != "INBOUND"
        if call.answered is not None:
            self._record_talk(call, now)
            return
        if call.left is not None:
            self._ends_after_leaving(service, call, now)
            return
        joined = service.waiting.pop(call, None)
        if joined is None:
            service.gave_up_in_ivr += call.direction == "INBOUND"
            return
        service.abandoned += 1
        self._count(service, "abandoned", now)
        service.abandoned_wait += now - joined
        service.abandoned_within += now - joined <= service.sla

    def _ends_after_leaving(self, service: ServiceTruth, call: SimulatedCall, now: int) -> None:
        assert call.left is not None
        assert call.joined is not None
        if now - call.left <= EXIT_IS_END_MS:
            service.moved -= 1
            service.abandoned += 1
            self._count(service, "abandoned", call.left)
            service.abandoned_wait += call.left - call.joined
            service.abandoned_within += call.left - call.joined <= service.sla

    def record_missed(self, call: SimulatedCall, login: str) -> None:
        """Count an offered call that an agent did not answer."""
        self.services[call.service].missed += 1
        self.agents[login].missed += 1

    def record_lost(self, call: SimulatedCall) -> None:
        """Count a call whose source died, so that no event will report its end."""
        self.services[call.service].lost += 1
        if call.answered is not None:
            self._lost.add(call)

    def record_disposition(self, call: SimulatedCall, disposition: Disposition, now: int) -> None:
        """Count a new term code for the call instead of the previous one."""
        before = call.disposition
        if before is not None:
            self.agents[before.login].at(before.service).dispositions[before.code] -= 1
        call.disposition = disposition
        self.agents[disposition.login].at(disposition.service).dispositions[disposition.code] += 1
        if disposition.code in RIGHT_PARTY:
            self.connects.append((now, call, disposition))
        while self.connects and self.connects[0][0] <= now - HALF_HOUR_MS:
            self.connects.popleft()

    def live_connects(self, now: int) -> int:
        """Return the number of right-party contacts in the half hour up to ``now``."""
        return sum(
            now - HALF_HOUR_MS < at <= now and call.disposition is disposition
            for at, call, disposition in self.connects
        )

    def _count(self, service: ServiceTruth, figure: str, now: int) -> None:
        quarter = (self._begin + now) // QUARTER_MS * QUARTER_MS
        counts = service.quarters.get(quarter)
        if counts is None:
            counts = service.quarters[quarter] = Counter()
            if len(service.quarters) > MAX_QUARTERS:
                del service.quarters[min(service.quarters)]
        counts[figure] += 1

    def _record_talk(self, call: SimulatedCall, now: int) -> None:
        assert call.answered is not None
        service = self.services[call.service]
        service.talking -= 1
        service.talks += 1
        service.talk += now - call.answered

    # -- agents ----------------------------------------------------------------------------

    def record_state(
        self,
        login: str,
        event_type: str,
        now: int,
        reason: str | None,
        call_at: str | None = None,
    ) -> None:
        """Count an agent's state change. ``call_at`` is the service of the current call, if any."""
        agent = self.agents[login]
        agent.count_until(now)
        state = EVENT_STATE[event_type]
        if state is None:
            state = agent.before_offer
        elif event_type == "PREVIEW_DIAL_OFFERED":
            agent.before_offer = agent.state
        if state is not agent.state:
            self._finish_wrap_up(agent, now)
            resumed = state is State.IN_CALL and agent.in_call
            agent.visits[state] += not resumed and state is not State.LOGOFF
            agent.in_call = state in CALL_STATES
            agent.state, agent.since = state, now
        if state in {State.LOGON, State.LOGOFF}:
            agent.wraps_up = None
        agent.reason = reason
        if state not in HOLDS_CALL:
            agent.call_at = None
        elif call_at is not None:
            agent.call_at = call_at

    def _finish_wrap_up(self, agent: AgentTruth, now: int) -> None:
        """Count a finished wrap-up for the service of its call."""
        if agent.state is State.WRAP_UP and agent.wraps_up is not None:
            self.services[agent.wraps_up].wrap_up += now - agent.since
            agent.wraps_up = None
