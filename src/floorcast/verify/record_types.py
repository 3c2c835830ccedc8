"""Records about calls, agents and campaigns, and the rules in a site entry."""

from __future__ import annotations

from typing import Any, NamedTuple

from floorcast.verify.names import categories

__all__ = [
    "AgentAnswer",
    "AgentRecord",
    "CallRecord",
    "CampaignRecord",
    "CountingRules",
    "Json",
    "WrapUpRecord",
    "call_key",
]

Json = dict[str, Any]


class CallRecord(NamedTuple):
    """An event about a call.

    ``position`` is its place in the log, and ``at`` is its own time in ms. ``recorded_at`` is when
    the log recorded it, and ``counts_at`` is the earlier of these two times. ``kind`` is the part
    of the event's type after ``call.``, or ``missed`` for ``agent.missed``, or ``state`` for an
    agent's event that names the call. ``rules`` is the number of the site entry in force.
    """

    position: int
    at: int
    counts_at: int
    kind: str
    service: int | None
    agent: int | None
    campaign: int | None
    rules: int
    data: Json
    recorded_at: int


class AgentRecord(NamedTuple):
    """An event about an agent.

    ``position`` is its place in the log, and ``event_time`` is its own time in ms. ``recorded_at``
    is when the log recorded it, and ``at`` is the earlier of these two times. ``service`` is the
    service that the event names, ``services`` are all services that it lists, and ``named`` is the
    service of its call.

    ``kind`` is ``state``, or ``answered`` for a ``call.answer`` that names the agent, or ``late``
    for a LOGON that arrived so late that only its service counts, and for the services that an
    agent has from its former id. For ``late``, ``at`` is the time at which the newest state began,
    and ``event_time`` is the time at which the service was named.
    """

    kind: str
    position: int
    at: int
    event_time: int
    rules: int
    service: int | None
    services: list[int] | None
    named: int | None
    data: Json
    recorded_at: int

    @property
    def call(self) -> tuple[int, str] | None:
        """The call that the event names, or None unless it gives both parts of the name."""
        call = self.data.get("call") or {}
        if call.get("transactionId") is None or call.get("sessionId") is None:
            return None
        return int(call["transactionId"]), call["sessionId"]


class CountingRules:
    """A site entry's rules for counting calls."""

    def __init__(self, config: Json) -> None:
        self._services = {one["id"]: one for one in config.get("services", ())}
        self._reasons = {
            one["reason"]: one["counts_as"] for one in config.get("not_ready_reasons", ())
        }
        self._categories = categories(config)

    def thresholds(self, service: int) -> tuple[int, int]:
        """Return a service's SLA and short-abandon threshold in ms."""
        known = self._services.get(service, {})
        sla = known.get("sla_seconds", 20)
        return sla * 1000, known.get("short_abandon_seconds", sla) * 1000

    def counts_exits(self, service: int) -> bool:
        """Return whether a call that leaves the service's queue counts as abandoned."""
        return bool(self._services.get(service, {}).get("count_exits_as") == "abandoned")

    def reason(self, reason: str | None) -> str | None:
        """Return the reason under which a Not Ready reason is counted."""
        return self._reasons.get(reason or "", reason)

    def category(self, code: str | None) -> str:
        """Return the category of a term code."""
        return self._categories.get(code or "", "nonContacts")


class AgentAnswer(NamedTuple):
    """An agent's answer to a call at a service."""

    position: int
    at: int
    service: int | None
    number: int
    session: str


class WrapUpRecord(NamedTuple):
    """A wrap-up after a call: its agent, its start and its duration in ms."""

    agent: int
    begin: int
    spent: int


class CampaignRecord(NamedTuple):
    """A campaign's update or, without ``data``, one of its calls.

    ``at`` is the time of the update or of the call's last step. ``service`` is the service that the
    update names, or the call's. For a call with a service, ``first_named`` is the time at which its
    events first name one, and the call's name.
    """

    position: int
    campaign: int
    at: int
    service: int | None
    data: Json | None
    first_named: tuple[int, int, str] | None = None


def call_key(event: CallRecord) -> tuple[int, str]:
    """Return a call's name: its transaction and session."""
    return int(event.data["transactionId"]), event.data["sessionId"]
