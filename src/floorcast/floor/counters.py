"""A client's daily counters: each service's calls, and each agent's time and calls.

Durations are whole milliseconds. Every counter belongs to one day of the client's calendar. Days
that can no longer be requested are dropped, so the size of the counters depends on the floor and
not on the log.
"""

from __future__ import annotations

from msgspec import Struct, field

from floorcast.floor.intervals import ServiceIntervals
from floorcast.floor.service_totals import ServiceTotals
from floorcast.model.states import State
from floorcast.site.configuration import Category

__all__ = [
    "CATEGORIES",
    "REASON_INDEX",
    "AgentDay",
    "Counters",
    "ServiceDay",
    "reason_index",
]

CATEGORIES: tuple[Category, ...] = ("rpcComplete", "rpcIncomplete", "wpc", "nonContacts")
REASON_INDEX = {"LUNCH": 0, "TRAINING": 1, "BREAK": 2, "MEETING": 3, "TECH_DIFFICULTIES": 4}
_OTHER = 5  # an unknown or missing reason, including voice mail


def reason_index(reason: str | None) -> int:
    """Return the index of the not-ready figure, one of six, in which a reason counts."""
    return REASON_INDEX.get(reason, _OTHER) if reason else _OTHER


def _zeros(count: int) -> list[int]:
    return [0] * count


class ServiceDay(Struct, gc=False):
    """One service's calls on one day. ``metrics.md`` ("Calls of a service") defines the counts.

    ``unqueued`` counts the outbound calls among ``handled`` that were answered without a wait.
    """

    offered: int = 0
    handled: int = 0
    handled_wait: int = 0
    handled_within: int = 0
    abandoned: int = 0
    abandoned_wait: int = 0
    abandoned_within: int = 0
    abandoned_short: int = 0
    talks: int = 0
    talk: int = 0
    wrap_up: int = 0
    unqueued: int = 0


class AgentDay(Struct, gc=False):
    """One agent's day on one service: time and visits by state, time by reason, and calls.

    ``logins`` is positive if the agent was logged in to this service and to others at once. Its
    visits then count for one of them only.
    """

    time: list[int] = field(default_factory=lambda: _zeros(len(State)))
    visits: list[int] = field(default_factory=lambda: _zeros(len(State)))
    reasons: list[int] = field(default_factory=lambda: _zeros(len(REASON_INDEX) + 1))
    inbound: int = 0
    outbound: int = 0
    dispositions: list[int] = field(default_factory=lambda: _zeros(len(CATEGORIES)))
    logins: int = 0

    @property
    def was_logged_in(self) -> bool:
        """Whether the agent was logged in to the service on this day."""
        return self.logins > 0 or any(self.visits)


class Counters(Struct):
    """The counters of the days that can still be requested, by day and service (and agent).

    ``totals`` has one entry per service, for all days together.
    """

    first_day: int = 0
    service_days: dict[int, dict[int, ServiceDay]] = field(default_factory=dict)
    agent_days: dict[int, dict[int, dict[int, AgentDay]]] = field(default_factory=dict)
    intervals: dict[int, dict[int, ServiceIntervals]] = field(default_factory=dict)
    totals: dict[int, ServiceTotals] = field(default_factory=dict)
