"""The true figures of a service, an agent and a campaign, as the simulator counts them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from floorcast.model.states import State
from floorcast.simulator.simulated_call import SimulatedCall

__all__ = ["AgentTruth", "AgentWork", "CampaignTruth", "ServiceTruth"]


@dataclass
class ServiceTruth:
    """One service's figures: offered = answered + abandoned + moved + waiting.

    ``moved`` counts calls that moved on without an answer, to another service's queue or to
    voicemail. ``left`` counts them by reason. ``passed_on`` counts calls that an agent transferred
    to another queue. ``missed`` counts offered calls that an agent did not answer. ``outbound``
    counts the outbound calls in progress, and ``talking`` counts the calls with an agent. ``lost``
    counts calls whose source died. ``quarters`` has the calls offered, handled and abandoned in
    each quarter hour.
    """

    sla: int
    begun: int = 0
    gave_up_in_ivr: int = 0
    offered: int = 0
    answered: int = 0
    unqueued: int = 0  # answered calls that the agent dialed; excluded from waits and rates
    answered_wait: int = 0
    answered_within: int = 0
    abandoned: int = 0
    abandoned_wait: int = 0
    abandoned_within: int = 0
    moved: int = 0
    left: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    passed_on: int = 0
    talks: int = 0
    talk: int = 0
    wrap_up: int = 0
    talking: int = 0
    outbound: int = 0
    lost: int = 0
    waiting: dict[SimulatedCall, int] = field(default_factory=dict)
    quarters: dict[int, Counter[str]] = field(default_factory=dict)


@dataclass
class AgentWork:
    """One agent's answered calls and dispositions for one service."""

    inbound: int = 0
    outbound: int = 0
    dispositions: Counter[str] = field(default_factory=Counter)


@dataclass
class AgentTruth:
    """One agent's times by service and state, visits, Not Ready times by reason, and work.

    ``services`` has all services of the agent, beginning with ``service``. ``call_at`` is the
    service of the current call. Time with the call counts at that service.
    """

    service: str
    services: tuple[str, ...] = ()
    call_at: str | None = None
    missed: int = 0
    state: State = State.LOGOFF
    since: int = 0
    counted_to: int = 0
    reason: str | None = None
    before_offer: State = State.READY
    in_call: bool = False  # during a visit to In Call, including holds and transfers
    wraps_up: str | None = None  # the service for which the next wrap-up counts
    took: SimulatedCall | None = None  # the call that the agent answered last
    spent: dict[str, Counter[State]] = field(default_factory=dict)
    visits: Counter[State] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    work: dict[str, AgentWork] = field(default_factory=dict)

    def at(self, service: str) -> AgentWork:
        """Return the agent's figures for a service."""
        return self.work.setdefault(service, AgentWork())

    @property
    def time(self) -> Counter[State]:
        """The time in each state, summed over all services."""
        return sum(self.spent.values(), Counter())

    @property
    def serving(self) -> str:
        """The service at which the agent's time counts now."""
        return self.call_at if self.call_at in self.services else self.service

    def count_until(self, now: int) -> None:
        """Count the current state up to now."""
        if self.state is not State.LOGOFF:
            spent = self.spent.setdefault(self.serving, Counter())
            spent[self.state] += now - self.counted_to
            if self.state is State.NOT_READY:
                self.reasons[self.reason or "OTHER"] += now - self.counted_to
        self.counted_to = now


@dataclass
class CampaignTruth:
    """A campaign's last reported counts."""

    service: str
    state: str
    loaded: int = 0
    completed: int = 0
    remaining: int = 0
    dialable: int = 0
    zones: dict[str, int] = field(default_factory=dict)
