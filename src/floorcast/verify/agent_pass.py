"""The pass over agents: their states in the order of their own times, and what these come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from floorcast.verify.call_pass import known_facts
from floorcast.verify.days import Days
from floorcast.verify.records import Heard, Known, Records, WrapUp
from floorcast.verify.sums import Presence, Sums

__all__ = ["AgentPass", "tell_states"]

STATES = {
    "LOGOFF": "Logoff",
    "LOGON": "Logon",
    "READY": "Ready",
    "NOT_READY": "Not Ready",
    "IN_CALL": "In Call",
    "WRAP_UP": "Wrapup",
    "TRANSFERRING": "Transferring",
    "MANUAL_DIAL": "Manual Dial",
    "PREVIEW_DIAL_OFFERED": "Preview Dial",
    "PREVIEW_DIAL_ACCEPTED": "Preview Dial",
    "DIALING": "Dialing",
    "REGISTERING": "Registering",
    "AGENT_HOLD": "Hold",
    "AGENT_RESUMED": "In Call",
    "RESERVED": "Reserved",
}
ON_A_CALL = ("In Call", "Hold", "Transferring")
WITH_A_CALL = (*ON_A_CALL, "Dialing", "Manual Dial", "Preview Dial", "Reserved")
REASONS = ("LUNCH", "TRAINING", "BREAK", "MEETING", "TECH_DIFFICULTIES")


@dataclass
class _Visit:
    """A visit to a state, and the services that it touched today."""

    state: str
    services: set[int | None] = field(default_factory=set)


def tell_states(records: Records, agent: int, heard: Sequence[Heard]) -> None:
    """Tell the calls that an agent's states name of it; each with the agent's service then."""
    for one, at in zip(heard, _logins(heard), strict=True):
        own = one.service if one.service is not None else (at or (None,))[0]
        records.tell_state(agent, one, own)


class AgentPass:
    """Adds one agent after the other to ``sums``. Times are in ms."""

    def __init__(self, sums: Sums, records: Records, days: Days, now: int, quiet: int) -> None:
        self._sums = sums
        self._records = records
        self._days = days
        self._now = now
        self._quiet = quiet

    def add(self, agent: int, heard: Sequence[Heard]) -> None:
        """Add an agent, of which this was heard, in the order of time."""
        known = self._records.known_of(agent)
        stretches = self._stretches(heard, known)
        self._count_time(agent, stretches)
        self._count_visits(agent, stretches)
        self._note_wrap_ups(agent, stretches, known)
        self._note_presence(agent, stretches, known)

    def _stretches(self, heard: Sequence[Heard], known: Sequence[Known]) -> list[_Stretch]:
        found: list[_Stretch] = []
        state, before_offer = "Logoff", "Ready"
        in_hand: Heard | None = None
        for index, (one, services) in enumerate(zip(heard, _logins(heard), strict=True)):
            kind = one.data["eventType"]
            entered = _state(kind, before_offer)
            if kind == "PREVIEW_DIAL_OFFERED" and state != "Preview Dial":
                before_offer = "Ready" if state == "Logoff" else state
            if entered not in WITH_A_CALL:
                in_hand = None
            if one.data.get("call") is not None and entered != "Logoff":
                in_hand = one
            service = _at_hand(one, services, in_hand, known)
            continues = entered == state and bool(found)
            end = self._end(heard, index)
            found.append(_Stretch(one, end, entered, services, service, in_hand, continues))
            state = entered
        return found

    def _end(self, heard: Sequence[Heard], index: int) -> int:
        """When the next state began; a LOGON after too long a silence ends it where it began."""
        one = heard[index]
        if index + 1 == len(heard):
            return max(one.at, min(self._now, one.at + self._quiet))
        after = heard[index + 1]
        if after.data["eventType"] == "LOGON" and after.at - one.at > self._quiet:
            return one.at
        return after.at

    def _count_time(self, agent: int, stretches: Sequence[_Stretch]) -> None:
        for one in stretches:
            begin, end = max(one.begin, self._days.begin), min(one.end, self._days.end)
            if one.state != "Logoff" and end > begin:
                sums = self._sums.agents[agent][one.service]
                sums.time[one.state] += end - begin
                if one.state == "Not Ready":
                    reason = self._records.terms[one.heard.terms].reason(one.reason)
                    sums.reasons[reason if reason in REASONS else "OTHER"] += end - begin

    def _count_visits(self, agent: int, stretches: Sequence[_Stretch]) -> None:
        visits: list[_Visit] = []
        in_call: _Visit | None = None
        for one in stretches:
            if one.state == "In Call" and in_call is not None:
                visit = in_call
            elif visits and one.continues:
                visit = visits[-1]
            else:
                visit = _Visit(one.state)
            visits.append(visit)
            if one.state not in ON_A_CALL:
                in_call = None
            elif one.state == "In Call":
                in_call = visit
            begins_today = self._days.is_today(one.begin)
            goes_on = max(one.begin, self._days.begin) < min(one.end, self._days.end)
            if one.state != "Logoff" and (begins_today or goes_on):
                visit.services.add(one.service)
                for service in one.services or (None,):
                    self._sums.agents[agent][service].was_there = True
        for visit in {id(visit): visit for visit in visits}.values():
            for service in visit.services:
                self._sums.agents[agent][service].visits[visit.state] += 1

    def _note_wrap_ups(
        self, agent: int, stretches: Sequence[_Stretch], known: Sequence[Known]
    ) -> None:
        """Give each wrap-up that is over to the call that it names, else to the last one."""
        begun: list[_Stretch] = []
        for one in stretches:
            if one.state == "Wrapup":
                begun.append(one)
            elif begun:
                self._note_wrap_up(agent, begun, known)
                begun = []

    def _note_wrap_up(self, agent: int, visit: Sequence[_Stretch], known: Sequence[Known]) -> None:
        first = visit[0].heard
        named = [one.heard.call for one in visit if one.heard.call is not None]
        answered = [
            (one.number, one.session)
            for one in known
            if (one.at, one.position) < (first.told_at, first.position)
        ]
        call = (named[:1] or answered[-1:] or [None])[0]
        if call is not None:
            spent = visit[-1].end - first.at
            self._records.note_wrap_up(call, WrapUp(agent, first.told_at, spent))

    def _note_presence(
        self, agent: int, stretches: Sequence[_Stretch], known: Sequence[Known]
    ) -> None:
        last = stretches[-1]
        heard_until = last.begin + self._quiet
        since = last.begin
        for one in reversed(stretches):
            if one.state != last.state:
                break
            since = one.begin
        if all(one.state == "Logoff" for one in stretches):
            since = 0  # it was never logged in
        told = [one.heard.data for one in stretches]
        monitored = [one["monitored"] for one in told if one.get("monitored") is not None]
        skills = [one["skill"] for one in told if one.get("skill") is not None]
        self._sums.presences[agent] = Presence(
            state=last.state,
            since=since,
            service=last.service,
            services=last.services or (None,),
            reason=last.reason if last.state == "Not Ready" else None,
            monitored=bool(monitored and monitored[-1]),
            skill=skills[-1] if skills else None,
            call=self._call_in_hand(agent, last, known),
        )
        if last.state != "Logoff" and heard_until > self._days.begin:
            for service in last.services or (None,):
                self._sums.agents[agent][service].is_present = True
        if last.state != "Logoff" and heard_until <= self._now:
            del self._sums.presences[agent]

    def _call_in_hand(self, agent: int, last: _Stretch, known: Sequence[Known]) -> dict[str, Any]:
        """What the agent's states say of its call, and what is known of that beside."""
        event = last.in_hand
        if event is None:
            return {}
        said = event.data["call"]
        facts: dict[str, Any] = {}
        if event.call is not None:
            facts = known_facts(self._records.story(event.call, event.position))
        return {
            "transactionId": _int(said.get("transactionId")),
            "sessionId": said.get("sessionId"),
            "direction": _first(said.get("direction"), facts.get("direction")),
            "account": _first(said.get("account"), facts.get("account")),
            "phone": _first(said.get("phoneNumber"), customer_phone(facts)),
        }


@dataclass
class _Stretch:
    """From one state of an agent to the next; ``continues`` the state of the one before.

    ``services`` are those that it is logged in to, ``service`` the one that its time counts for,
    and ``in_hand`` the event that named the call that it has in hand.
    """

    heard: Heard
    end: int
    state: str
    services: tuple[int, ...]
    service: int | None
    in_hand: Heard | None
    continues: bool

    @property
    def begin(self) -> int:
        """When it began."""
        return self.heard.at

    @property
    def reason(self) -> str | None:
        """The reason that it gives."""
        reason: str | None = self.heard.data.get("reason")
        return reason


def _logins(heard: Sequence[Heard]) -> list[tuple[int, ...]]:
    """The services that an agent is logged in to at each of its states."""
    found = []
    services: tuple[int, ...] = ()
    for one in heard:
        if one.services is not None:
            services = tuple(one.services)
        elif one.service is not None and (
            one.service not in services or one.data["eventType"] == "LOGON"
        ):
            services = (one.service,)
        found.append(services)
    return found


def _at_hand(
    one: Heard, services: tuple[int, ...], in_hand: Heard | None, known: Sequence[Known]
) -> int | None:
    """The service that time counts for: the one named, that of the call in hand, or the first."""
    if one.service is not None:
        return one.service
    if len(services) > 1 and in_hand is not None:
        of_call = in_hand.named
        for answer in known:
            if (answer.number, answer.session) == in_hand.call and of_call is None:
                of_call = answer.service
        if of_call in services:
            return of_call
    return services[0] if services else None


def _state(kind: str, before_offer: str) -> str:
    if kind == "PREVIEW_DIAL_SKIPPED":
        return before_offer
    if kind.startswith("AGENT_TRANSFER_"):
        return "In Call" if "COMPLETE" in kind or "FAILED" in kind else "Transferring"
    return STATES[kind]


def customer_phone(facts: dict[str, Any]) -> str | None:
    """The customer's number: the caller's of an inbound call, else the one dialed."""
    direction, dialed = facts.get("direction"), facts.get("phoneDialed")
    of_caller = direction == "INBOUND" or (direction is None and dialed is None)
    phone: str | None = facts.get("callerId") if of_caller else dialed
    return phone


def _int(value: int | str | None) -> int | None:
    return None if value is None else int(value)


def _first(*values: str | None) -> str | None:
    return next((value for value in values if value is not None), None)
