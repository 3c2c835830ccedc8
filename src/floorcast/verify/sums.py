"""The sums that the passes compute, by service, and by agent and service."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

__all__ = [
    "AgentSums",
    "CallListDigest",
    "CampaignState",
    "IntervalSums",
    "OpenCall",
    "Presence",
    "ServiceSums",
    "Sums",
]


@dataclass
class ServiceSums:
    """Today's calls of one service.

    The lists have one duration in ms per call. ``waits`` has the waits of handled calls, without
    outbound calls that were not queued. ``abandoned`` has the waits of abandoned calls.
    """

    offered: int = 0
    handled: int = 0
    waits: list[int] = field(default_factory=list)
    abandoned: list[int] = field(default_factory=list)
    handled_within: int = 0
    abandoned_within: int = 0
    abandoned_short: int = 0
    talks: list[int] = field(default_factory=list)
    wrap_ups: list[int] = field(default_factory=list)


@dataclass
class CallListDigest:
    """The number of calls behind a figure, and a checksum that identifies them."""

    total: int = 0
    sum: int = 0

    def add(self, name: tuple[int, str]) -> None:
        """Add a call by its transaction and session."""
        digest = blake2b(f"{name[0]} {name[1]}".encode(), digest_size=6).digest()
        self.total += 1
        self.sum = (self.sum + int.from_bytes(digest, "big")) % 2**48


@dataclass
class IntervalSums:
    """One quarter hour of a service.

    ``counts`` are keyed by the names in the response. ``spent`` has times in ms by name, and
    ``waits`` has the waits of handled calls in ms.
    """

    counts: Counter[str] = field(default_factory=Counter)
    spent: Counter[str] = field(default_factory=Counter)
    moved_on: Counter[str] = field(default_factory=Counter)
    waits: list[int] = field(default_factory=list)
    talks: int = 0


@dataclass
class AgentSums:
    """One agent's day at one service.

    ``time`` (ms) and ``visits`` are by state, ``reasons`` has the ms by Not Ready reason, ``calls``
    are by direction, and ``categories`` count dispositions.
    """

    time: Counter[str] = field(default_factory=Counter)
    visits: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    is_present: bool = False
    was_present: bool = False


@dataclass
class OpenCall:
    """A call in progress, as responses show it."""

    name: tuple[int, str]
    service: int | None
    state: str
    since: int | None
    began: int | None
    agents: list[int]
    is_with_agent: bool
    facts: dict[str, Any]


@dataclass
class Presence:
    """An agent's current state."""

    state: str
    since: int
    service: int | None
    services: tuple[int | None, ...]
    reason: str | None
    monitored: bool
    skill: str | None
    call: dict[str, Any]


@dataclass
class CampaignState:
    """A campaign's last reported data, and the time of its last event.

    ``first_call`` is the call whose events name a service at the earliest time: that time and the
    call's name.
    """

    service: int | None = None
    first_call: tuple[int, int, str] | None = None
    counts: dict[str, Any] = field(default_factory=dict)
    reported: dict[str, int] = field(default_factory=dict)
    last: int = 0


@dataclass
class Sums:
    """The sums of all passes. A service of None is unknown."""

    services: defaultdict[int | None, ServiceSums] = field(
        default_factory=lambda: defaultdict(ServiceSums)
    )
    intervals: defaultdict[tuple[int | None, int], IntervalSums] = field(
        default_factory=lambda: defaultdict(IntervalSums)
    )
    calls: defaultdict[tuple[int | None, str], CallListDigest] = field(
        default_factory=lambda: defaultdict(CallListDigest)
    )
    agents: defaultdict[int, defaultdict[int | None, AgentSums]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(AgentSums))
    )
    open_calls: list[OpenCall] = field(default_factory=list)
    connects: list[int] = field(default_factory=list)
    presences: dict[int, Presence] = field(default_factory=dict)
    campaigns: defaultdict[int, CampaignState] = field(
        default_factory=lambda: defaultdict(CampaignState)
    )
