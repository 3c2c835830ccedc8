"""The pass over calls: adds each call to today's counts and determines its current state."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from floorcast.verify.client_days import Days
from floorcast.verify.queue_segments import Course, QueueSegment, course, is_step, of_agent
from floorcast.verify.record_types import Known, Report, Terms, Told, WrapUp, name_of
from floorcast.verify.records import Records
from floorcast.verify.sums import IntervalSums, OpenCall, Sums

__all__ = ["CallPass", "known_facts", "note_answers"]

_STARTS = ("account", "phoneDialed", "callerId", "priority", "consumer")
_SHOWN = {
    "start": _STARTS,
    "update": _STARTS,
    "end": ("account", "phoneDialed", "callerId", "priority"),
    "queue": ("skill", "priority"),
    "disposition": ("account",),
}
_RIGHT_PARTY = ("rpcComplete", "rpcIncomplete")
_OUTBOUND = ("OUTBOUND", "MANUAL")
_HALF_HOUR_MS = 30 * 60_000

_Place = tuple[date, int | None]
"""A day and a service. A call counts only once there."""


def note_answers(records: Records, story: Sequence[Told]) -> None:
    """Record the agents that answered a call, and the services at which they answered."""
    way = course(story)
    for told, segment in way.effective:
        assert told.agent is not None
        service = way.segments[segment].service
        known = Known(told.position, told.counts_at, service, *name_of(told))
        records.note_known(told.agent, known)


class CallPass:
    """Adds calls to ``sums``, one at a time. Times are in ms."""

    def __init__(self, sums: Sums, records: Records, days: Days, now: int, quiet: int) -> None:
        self._sums = sums
        self._records = records
        self._days = days
        self._terms = records.terms
        self._now = now
        self._quiet = quiet
        self._has_left = records.has_left
        self._name = (0, "")

    def add(self, story: Sequence[Told]) -> None:
        """Add a call. ``story`` has its events in the order of the log."""
        self._count_missed(story)
        if all(told.kind in ("state", "missed") and not is_step(told) for told in story):
            return  # only events about agents name it
        heard = _last_sign(story)
        way, facts = course(story), known_facts(story)
        steps = [told for told in story if is_step(told)]
        terms = self._terms[steps[-1].terms] if steps else self._terms[0]
        name = name_of(story[0])
        direction = facts.get("direction")
        self._note_campaign(story)
        self._name = name
        self._count_offered(way, heard)
        self._count_handled(way, terms, direction, self._records.wrap_ups_of(name))
        self._count_abandoned(way, terms)
        self._count_moved_on(way, terms)
        self._count_agents(way, direction)
        self._count_disposition(story, name, way)
        if way.ended is None and heard + self._quiet > self._now:
            self._sums.open_calls.append(self._open_call(name, way, facts))

    # -- counts for services --------------------------------------------------------------

    def _count_offered(self, way: Course, heard: int) -> None:
        touching = [one for one in way.segments if self._touches_today(one, heard)]
        for service in {one.service for one in touching}:
            self._sums.services[service].offered += 1
            self._list(service, "totalOffered")
            first = min(one.began for one in touching if one.service == service)
            self._interval(service, max(first, self._days.begin)).counts["offered"] += 1

    def _touches_today(self, segment: QueueSegment, heard: int) -> bool:
        end = segment.answered if segment.answered is not None else segment.left
        if end is None:
            if segment.began < self._days.begin:
                return heard + self._quiet > self._days.begin
            return self._days.is_today(segment.began)
        return self._days.of(segment.began) <= self._days.today <= self._days.of(end)

    def _count_handled(
        self, way: Course, terms: Terms, direction: str | None, wrap_ups: Sequence[WrapUp]
    ) -> None:
        """Count a handled call once per service and day, in its first answered segment there."""
        for segment in self._first_answered(way).values():
            assert segment.answered is not None
            sums = self._sums.services[segment.service]
            if self._days.is_today(segment.answered):
                wait = segment.wait(segment.answered)
                sums.handled += 1
                self._list(segment.service, "totalHandled")
                interval = self._interval(segment.service, segment.answered)
                interval.counts["handled"] += 1
                if segment.joined is not None or direction not in _OUTBOUND:
                    sums.waits.append(wait)
                    within = wait <= terms.thresholds(_number(segment.service))[0]
                    sums.handled_within += within
                    self._list(segment.service, "totalCallsAnsweredWithinSLA", within)
                    interval.waits.append(wait)
                    interval.counts["answeredWithinSLA"] += within
            if segment.left is not None and self._days.is_today(segment.left):
                sums.talks.append(segment.left - segment.answered)
                own = [one.spent for one in wrap_ups if _followed(way.segments, one) is segment]
                sums.wrap_ups.append(sum(own))
                interval = self._interval(segment.service, segment.left)
                interval.talks += 1
                interval.counts["transferred"] += segment.passed_on or segment.exited
                interval.spent["talk"] += segment.left - segment.answered
                interval.spent["wrapUp"] += sum(own)

    def _first_answered(self, way: Course) -> dict[_Place, QueueSegment]:
        found: dict[_Place, QueueSegment] = {}
        for segment in way.segments:
            if segment.answered is not None:
                found.setdefault((self._days.of(segment.answered), segment.service), segment)
        return found

    def _count_abandoned(self, way: Course, terms: Terms) -> None:
        places: set[_Place] = set(self._first_answered(way))
        for segment in way.segments:
            if segment.answers or segment.left is None or not self._days.is_today(segment.left):
                continue
            gave_up = segment.lost or (
                segment.exited and terms.counts_exits(_number(segment.service))
            )
            place = (self._days.of(segment.left), segment.service)
            if gave_up and place not in places:
                places.add(place)
                sums, wait = self._sums.services[segment.service], segment.wait(segment.left)
                sla, short = terms.thresholds(_number(segment.service))
                sums.abandoned.append(wait)
                self._list(segment.service, "totalAbandoned")
                self._list(segment.service, "totalCallsAbandonedWithinSLA", wait <= sla)
                sums.abandoned_within += wait <= sla
                sums.abandoned_short += wait <= short
                counts = self._interval(segment.service, segment.left).counts
                counts["abandoned"] += 1
                counts["abandonedWithinSLA"] += wait <= sla
                counts["abandonedShort"] += wait <= short

    def _count_moved_on(self, way: Course, terms: Terms) -> None:
        """Count a call as moved on if it left a service unanswered and without another result."""
        came_to = set(self._first_answered(way))
        found: dict[int | None, QueueSegment] = {}
        for segment in way.segments:
            if segment.answers:
                continue
            if segment.left is None:
                came_to.add((self._days.today, segment.service))
            elif segment.lost or (segment.exited and terms.counts_exits(_number(segment.service))):
                came_to.add((self._days.of(segment.left), segment.service))
            elif self._days.is_today(segment.left):
                found[segment.service] = segment
        over = [one for one in way.segments if one.joined is not None and not one.waits]
        for one in over:  # a call that waited there at the end of today did not move on today
            end = one.answered if one.answered is not None else one.left
            if end is not None and one.began < self._days.end <= end:
                came_to.add((self._days.today, one.service))
        for service, segment in found.items():
            if (self._days.today, service) not in came_to:
                assert segment.left is not None
                moved_on = self._interval(service, segment.left).moved_on
                moved_on[segment.reason or "REQUEUED"] += 1
                self._list(service, "movedOn")

    def _count_missed(self, story: Sequence[Told]) -> None:
        for told in story:
            if told.kind == "missed" and self._days.is_today(told.at):
                service = told.service
                if service is None:
                    service = self._service_then(story, told)
                self._interval(service, told.at).counts["missed"] += 1

    def _service_then(self, story: Sequence[Told], missed: Told) -> int | None:
        """Return the service that was known to have the call when an agent missed it."""
        return course([one for one in story if one.position < missed.position]).present_service

    def _list(self, service: int | None, figure: str, counts: bool = True) -> None:
        """Add the call to the calls behind a figure if it counts."""
        if counts:
            self._sums.calls[service, figure].add(self._name)

    def _interval(self, service: int | None, at: int) -> IntervalSums:
        return self._sums.intervals[service, self._days.quarter(at)]

    # -- counts for agents ----------------------------------------------------------------

    def _count_agents(self, way: Course, direction: str | None) -> None:
        """Count the call once per agent, service and day, for each agent that answered it."""
        if direction is None:
            return
        kind = "inbound" if direction == "INBOUND" else "outbound"
        answered = {
            (one.agent, segment.service)
            for segment in way.segments
            for one in segment.answers
            if one.agent is not None and self._days.is_today(one.at)
        }
        for agent, service in answered:
            assert agent is not None
            self._sums.agents[agent][service].calls[kind] += 1

    def _count_disposition(self, story: Sequence[Told], name: tuple[int, str], way: Course) -> None:
        """Count the latest disposition for the agent that it names, or that had the call."""
        told = [one for one in story if one.kind == "disposition"]
        if not told:
            return
        said = max(told, key=lambda one: (one.at, one.position))
        category = self._terms[said.terms].category(said.data.get("termCode"))
        segment = _had(way.segments, said.at)
        agent = said.agent
        if agent is None and segment is not None:
            agent = self._holder(name, segment, said.at)
        if said.agent is not None:
            segment = of_agent(way.segments, said.agent, said.at)
        service = way.present_service if segment is None else segment.service
        if agent is not None and self._days.is_today(said.at):
            self._sums.agents[agent][service].categories[category] += 1
        if category in _RIGHT_PARTY and self._now - _HALF_HOUR_MS < said.at <= self._now:
            self._sums.connects.append(said.at)

    def _holder(self, name: tuple[int, str], segment: QueueSegment, at: int) -> int | None:
        """Return the call's agent at a time: the last one that had answered it and not left it."""
        at = at if segment.left is None else min(at, segment.left)
        had = [one for one in segment.answers if one.at <= at] or segment.answers[:1]
        still = [one for one in had if one.agent is None or not self._has_left(one.agent, name, at)]
        return (still or had)[-1].agent

    # -- the current state ----------------------------------------------------------------

    def _open_call(self, name: tuple[int, str], way: Course, facts: dict[str, Any]) -> OpenCall:
        last = way.segments[-1] if way.segments else None
        if last is None:
            return OpenCall(name, way.present_service, "DIALING", None, way.began, [], False, facts)
        state = "QUEUED" if last.waits else "CONNECTED"
        since = last.joined if last.waits else None
        having = [
            one.agent
            for one in last.answers
            if last.left is None
            and (one.agent is None or not self._has_left(one.agent, name, self._now))
        ]
        agents = [one.agent for one in last.answers[:1] if one.agent is not None]
        return OpenCall(
            name, way.present_service, state, since, way.began, agents, bool(having), facts
        )

    def _note_campaign(self, story: Sequence[Told]) -> None:
        """Record that the call's campaign was active at each step of the call."""
        campaign = service = None
        named_at = last = -(2**60)
        ended = 2**60
        for index, told in enumerate(story):
            if is_step(told) and told.kind not in ("start", "update"):
                last = max(last, told.at)
                if told.kind == "end":
                    ended = min(ended, told.at)
            if told.campaign is not None and told.at >= named_at:
                if told.campaign != campaign:
                    campaign, service = told.campaign, None
                named_at = told.at
            if is_step(told) and campaign is not None:
                if service is None:  # the first known service is the campaign's
                    service = course(story[: index + 1]).service
                at = max(told.at, min(last, ended))
                report = Report(told.position, campaign, at, service, None)
                self._records.note_report(report)


def _last_sign(story: Sequence[Told]) -> int:
    """Return the time of the call's last event.

    An event about an agent that names the call counts only if another event came before it.
    """
    signs: list[int] = []
    for told in story:
        if signs or is_step(told) or told.kind not in ("state", "missed"):
            signs.append(told.at)
    return max(signs)


def _had(segments: Sequence[QueueSegment], at: int) -> QueueSegment | None:
    """Return the last segment answered by the time ``at``, or else the first one answered later."""
    answered = [segment for segment in segments if segment.answered is not None]
    before = [segment for segment in answered if (segment.answered or 0) <= at]
    return before[-1] if before else next(iter(answered), None)


def _followed(segments: Sequence[QueueSegment], wrap_up: WrapUp) -> QueueSegment | None:
    """Return the segment before a wrap-up: the agent's last one, or else the last answered one."""
    own = of_agent(segments, wrap_up.agent, wrap_up.begin)
    if own is not None:
        return own
    before = [one for one in segments if one.answered is not None and one.answered <= wrap_up.begin]
    return before[-1] if before else None


def known_facts(story: Sequence[Told]) -> dict[str, Any]:
    """Return a call's data. Each member comes from the latest event that has it."""
    facts: dict[str, Any] = {}
    for told in sorted(story, key=lambda one: (one.at, one.position)):
        _learn(facts, told)
    return facts


def _learn(facts: dict[str, Any], told: Told) -> None:
    """Apply an event's data to the call's data. Members that the event lacks do not change."""
    data = told.data
    for member in _SHOWN.get(told.kind, ()):
        if data.get(member) is not None:
            facts[member] = data[member]
    if told.campaign is not None:
        facts["campaign"] = told.campaign
    if told.kind == "start":
        facts["direction"] = data["direction"]
    elif told.kind == "end" and data.get("callDirection") is not None:
        facts["direction"] = data["callDirection"]
    elif is_step(told) and told.kind == "state" and facts.get("direction") is None:
        facts["direction"] = data.get("direction")


def _number(service: int | None) -> int:
    return -1 if service is None else service
