"""The pass over agents: goes through their states in the order of event times and adds them up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from floorcast.verify.agent_stretches import (
    ON_A_CALL,
    WITH_A_CALL,
    Hand,
    Login,
    Stretch,
    answers,
    logins,
    state_after,
)
from floorcast.verify.call_pass import known_facts
from floorcast.verify.client_days import QUARTER_MS, Days
from floorcast.verify.queue_segments import course, of_agent
from floorcast.verify.record_types import Heard, WrapUp
from floorcast.verify.records import Records
from floorcast.verify.sums import Presence, Sums

__all__ = ["AgentPass", "tell_states"]

_TIMES = {"Ready": "readyTime", "Wrapup": "wrapupTime", "Not Ready": "notReadyTime"}
REASONS = ("LUNCH", "TRAINING", "BREAK", "MEETING", "TECH_DIFFICULTIES")


@dataclass
class _Visit:
    """A visit to a state, with the services for which it counted today."""

    state: str
    services: set[int | None] = field(default_factory=set)


def tell_states(records: Records, agent: int, heard: Sequence[Heard]) -> None:
    """Add an agent's states to the calls that they name, with the agent's service at that time."""
    for one, login in zip(heard, logins(heard), strict=True):
        records.tell_state(agent, one, login.at_hand)


class AgentPass:
    """Adds agents to ``sums``, one at a time. Times are in ms."""

    def __init__(self, sums: Sums, records: Records, days: Days, now: int, quiet: int) -> None:
        self._sums = sums
        self._records = records
        self._days = days
        self._now = now
        self._quiet = quiet

    def add(self, agent: int, heard: Sequence[Heard]) -> None:
        """Add an agent. ``heard`` has its events in the order of time."""
        stretches = self._stretches(agent, heard)
        if stretches:
            self._count_time(agent, stretches)
            self._count_visits(agent, stretches)
            self._note_wrap_ups(agent, heard, stretches)
            self._note_presence(agent, stretches)

    def _stretches(self, agent: int, heard: Sequence[Heard]) -> list[Stretch]:
        found: list[Stretch] = []
        state, before_offer = "Logoff", "Ready"
        hand = Hand()
        for one, login in zip(heard, logins(heard), strict=True):
            if one.kind == "answered":
                hand.answer(one, state)
                if found:
                    found[-1].in_hand = hand.call
            if one.kind != "state":
                if found and (login.is_late or one.kind == "answered"):
                    found[-1].learn(login, self._at_hand(agent, login, hand.call, state))
                continue
            kind = one.data["eventType"]
            entered = state_after(kind, before_offer)
            if kind == "PREVIEW_DIAL_OFFERED" and state != "Preview Dial":
                before_offer = "Ready" if state == "Logoff" else state
            hand.enter(one, entered)
            continues = entered == state and bool(found)
            if found and kind == "LOGON" and one.at - found[-1].begin > self._quiet:
                # there was no event for too long: the previous state ended when it became too old
                continues = False
            elif found:
                found[-1].end = one.at
            service = self._at_hand(agent, login, hand.call, entered)
            found.append(Stretch(one, one.at, entered, login, service, hand.call, continues))
            state = entered
        if found:
            last = found[-1]
            last.end = max(last.begin, min(self._now, last.begin + self._quiet))
        return found

    def _at_hand(self, agent: int, login: Login, in_hand: Heard | None, state: str) -> int | None:
        """Return the service that the agent's time counts for.

        It is the service of the current call, or else the agent's current service.
        """
        if len(login.services) > 1 and in_hand is not None and state in WITH_A_CALL:
            of_call = in_hand.named
            if of_call is None:
                of_call = self._of_call(agent, in_hand)
            if of_call in login.services:
                return of_call
        return login.at_hand

    def _of_call(self, agent: int, in_hand: Heard) -> int | None:
        """Return the service of the agent's segment of the call, from events that arrived in time.

        An event arrived in time if it precedes the event that names the call, or if it was recorded
        before the late limit for agent states had passed.
        """
        if in_hand.call is None:
            return None
        until = in_hand.at + self._records.late_ms
        story = [
            told
            for told in self._records.story(in_hand.call)
            if told.position < in_hand.position or told.recorded_at <= until
        ]
        segment = of_agent(course(story).segments, agent, in_hand.at)
        return None if segment is None else segment.service

    def _count_time(self, agent: int, stretches: Sequence[Stretch]) -> None:
        for one in stretches:
            begin, end = max(one.begin, self._days.begin), min(one.end, self._days.end)
            if one.state != "Logoff" and end > begin:
                sums = self._sums.agents[agent][one.service]
                sums.time[one.state] += end - begin
                self._count_in_intervals(one, begin, end)
                if one.state == "Not Ready":
                    reason = self._records.terms[one.heard.terms].reason(one.reason)
                    sums.reasons[reason if reason in REASONS else "OTHER"] += end - begin

    def _count_in_intervals(self, one: Stretch, begin: int, end: int) -> None:
        names = ["loggedInTime"]
        if one.state in ON_A_CALL:
            names += ["talkTime", "holdTime"] if one.state == "Hold" else ["talkTime"]
        elif one.state in _TIMES:
            names.append(_TIMES[one.state])
        while begin < end:
            quarter = self._days.quarter(begin)
            stop = min(end, self._days.begin + (quarter + 1) * QUARTER_MS)
            for name in names:
                self._sums.intervals[one.service, quarter].spent[name] += stop - begin
            begin = stop

    def _count_visits(self, agent: int, stretches: Sequence[Stretch]) -> None:
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
                services = {one.service, *(one.touched if begins_today else ())}
                visit.services |= services
                for service in services:
                    self._sums.agents[agent][service].was_there = True
        for visit in {id(visit): visit for visit in visits}.values():
            for service in visit.services:
                self._sums.agents[agent][service].visits[visit.state] += 1

    def _note_wrap_ups(
        self, agent: int, heard: Sequence[Heard], stretches: Sequence[Stretch]
    ) -> None:
        """Assign each finished wrap-up to the call that it names or to the last answered one."""
        begun: list[Stretch] = []
        for one in stretches:
            if begun and not (one.state == "Wrapup" and one.continues):
                self._note_wrap_up(agent, heard, begun)
                begun = []
            if one.state == "Wrapup":
                begun.append(one)

    def _note_wrap_up(self, agent: int, heard: Sequence[Heard], visit: Sequence[Stretch]) -> None:
        first = visit[0].heard
        named = [one.heard.call for one in visit if one.heard.call is not None]
        answered = [
            one.call
            for one in heard
            if (one.at, one.position) < (first.at, first.position) and answers(one)
        ]
        for call in named[-1:] or answered[-1:]:
            assert call is not None
            spent = visit[-1].end - first.at
            self._records.note_wrap_up(call, WrapUp(agent, first.at, spent))

    def _note_presence(self, agent: int, stretches: Sequence[Stretch]) -> None:
        last = stretches[-1]
        heard_until = last.begin + self._quiet
        since = last.begin
        for one in reversed(stretches):
            since = one.begin
            if not one.continues:
                break
        if all(one.state == "Logoff" for one in stretches):
            since = 0  # the agent has never logged in
        told = [one.heard.data for one in stretches]
        monitored = [one["monitored"] for one in told if one.get("monitored") is not None]
        skills = [one["skill"] for one in told if one.get("skill") is not None]
        self._sums.presences[agent] = Presence(
            state=last.state,
            since=since,
            service=last.service,
            services=last.services,
            reason=last.reason if last.state == "Not Ready" else None,
            monitored=bool(monitored and monitored[-1]),
            skill=skills[-1] if skills else None,
            call=self._call_in_hand(last),
        )
        if last.state != "Logoff" and heard_until > self._days.begin:
            for service in last.services:
                self._sums.agents[agent][service].is_present = True
        if last.state != "Logoff" and heard_until <= self._now:
            del self._sums.presences[agent]

    def _call_in_hand(self, last: Stretch) -> dict[str, Any]:
        """Return the data of the agent's current call, which its states name."""
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


def customer_phone(facts: dict[str, Any]) -> str | None:
    """Return the customer's number: the caller's for an inbound call, or else the dialed number."""
    direction, dialed = facts.get("direction"), facts.get("phoneDialed")
    of_caller = direction == "INBOUND" or (direction is None and dialed is None)
    phone: str | None = facts.get("callerId") if of_caller else dialed
    return phone


def _int(value: int | str | None) -> int | None:
    return None if value is None else int(value)


def _first(*values: str | None) -> str | None:
    return next((value for value in values if value is not None), None)
