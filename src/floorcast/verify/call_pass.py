"""The pass over calls: what each one counts today, and what it is at now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from floorcast.verify.days import Days
from floorcast.verify.records import Known, Records, Report, Terms, Told, name_of
from floorcast.verify.sums import OpenCall, Sums
from floorcast.verify.turns import Course, Turn, course, is_step

__all__ = ["CallPass", "learn"]

_SHOWN = {
    "start": ("account", "phoneDialed", "callerId", "priority"),
    "end": ("account", "phoneDialed", "callerId", "priority"),
    "queue": ("skill", "priority"),
    "disposition": ("account",),
}
_RIGHT_PARTY = ("rpcComplete", "rpcIncomplete")
_HALF_HOUR = 30 * 60_000  # ms


class CallPass:
    """Adds one call after the other to ``sums``. Times are in ms."""

    def __init__(self, sums: Sums, records: Records, days: Days, now: int, quiet: int) -> None:
        self._sums = sums
        self._records = records
        self._days = days
        self._terms = records.terms
        self._now = now
        self._quiet = quiet

    def add(self, story: Sequence[Told]) -> None:
        """Add a call, of which this was told in the order of the log."""
        touched = [told.at for told in story if told.kind != "state" or is_step(told)]
        if not touched:
            return  # agents named it, and that is all
        heard = max(touched)
        facts: dict[str, Any] = {}
        said: _Said | None = None
        for index, told in enumerate(story):
            so_far = story[: index + 1]
            learn(facts, told)
            if told.kind == "disposition" and (said is None or told.at >= said.at):
                said = self._disposition(told, course(so_far))
            self._note_agent(told, so_far)
            if is_step(told) and facts.get("campaign") is not None:
                service = course(so_far).service
                report = Report(told.position, facts["campaign"], told.at, service, None)
                self._records.note_report(report)
        way = course(story)
        if said is not None:
            said = said._replace(service=_disposed_on(way, said))
        steps = [told for told in story if is_step(told)]
        terms = self._terms[steps[-1].terms] if steps else self._terms[0]
        self._count(way, heard, terms, facts.get("direction"))
        self._count_disposition(said)
        if way.ended is None and heard + self._quiet > self._now:
            self._sums.open_calls.append(_open_call(name_of(story[0]), way, facts))

    # -- what it counts --------------------------------------------------------------------

    def _count(self, way: Course, heard: int, terms: Terms, direction: str | None) -> None:
        handled: set[tuple[date, int | None]] = set()
        answered: set[tuple[date, int | None, int]] = set()
        for turn in way.turns:
            if turn.answered is None:
                continue
            on = self._days.of(turn.answered)
            if (on, turn.service) not in handled:
                handled.add((on, turn.service))
                self._count_handled(turn, terms)
            if turn.agent is not None and (on, turn.service, turn.agent) not in answered:
                answered.add((on, turn.service, turn.agent))
                if direction is not None and on == self._days.today:
                    calls = self._sums.agents[turn.agent][turn.service].calls
                    calls["inbound" if direction == "INBOUND" else "outbound"] += 1
        for service in {one.service for one in way.turns if self._touches_today(one, heard)}:
            self._sums.services[service].offered += 1
        if way.turns and way.ended is not None and way.turns[-1].answered is None:
            last = way.turns[-1]
            if (self._days.of(way.ended), last.service) not in handled:
                self._count_abandoned(last, way.ended, terms)

    def _touches_today(self, turn: Turn, heard: int) -> bool:
        begin = turn.joined if turn.joined is not None else turn.answered
        end = turn.answered if turn.answered is not None else turn.left
        assert begin is not None
        if end is None:
            if begin < self._days.begin:
                return heard + self._quiet > self._days.begin
            return self._days.is_today(begin)
        return self._days.of(begin) <= self._days.today <= self._days.of(end)

    def _count_handled(self, turn: Turn, terms: Terms) -> None:
        assert turn.answered is not None
        sums = self._sums.services[turn.service]
        if self._days.is_today(turn.answered):
            wait = turn.wait(turn.answered)
            sums.handled.append(wait)
            sums.handled_within += wait <= terms.thresholds(_number(turn.service))[0]
        if turn.left is not None and self._days.is_today(turn.left):
            sums.talks.append(turn.left - turn.answered)

    def _count_abandoned(self, turn: Turn, ended: int, terms: Terms) -> None:
        if self._days.is_today(ended):
            sums, wait = self._sums.services[turn.service], turn.wait(ended)
            sla, short = terms.thresholds(_number(turn.service))
            sums.abandoned.append(wait)
            sums.abandoned_within += wait <= sla
            sums.abandoned_short += wait <= short

    # -- dispositions, and what else is known ----------------------------------------------

    def _disposition(self, told: Told, way: Course) -> _Said:
        agent = told.agent
        if agent is None and way.answered_last is not None:
            agent = way.answered_last.agent
        category = self._terms[told.terms].category(told.data.get("termCode"))
        return _Said(told.at, category, agent, None)

    def _count_disposition(self, said: _Said | None) -> None:
        if said is None:
            return
        if said.agent is not None and self._days.is_today(said.at):
            self._sums.agents[said.agent][said.service].categories[said.category] += 1
        if said.category in _RIGHT_PARTY and self._now - _HALF_HOUR < said.at <= self._now:
            self._sums.connects.append(said.at)

    def _note_agent(self, told: Told, so_far: Sequence[Told]) -> None:
        """Whether an agent that was named with the call is one that answered it."""
        if told.agent is None or told.kind not in ("answer", "state") or not is_step(told):
            return
        his = [t for t in course(so_far).turns if t.agent == told.agent and t.answered is not None]
        if his or told.kind == "state":
            service = his[-1].service if his else None
            self._records.note_known(told.agent, Known(told.position, told.at, service, bool(his)))


class _Said(NamedTuple):
    """The latest disposition of a call."""

    at: int
    category: str
    agent: int | None
    service: int | None


def _disposed_on(way: Course, said: _Said) -> int | None:
    """Where the agent of a disposition had the call at its time, as far as is known in the end."""
    own = [turn for turn in way.turns if said.agent is not None and turn.agent == said.agent]
    had = [turn for turn in own if turn.answered is not None and turn.answered <= said.at]
    if own:
        return (had or own[:1])[-1].service
    return way.present_service


def learn(facts: dict[str, Any], told: Told) -> None:
    """Take over what an event says of the call; what it leaves out stays known."""
    data = told.data
    for member in _SHOWN.get(told.kind, ()):
        if data.get(member) is not None:
            facts[member] = data[member]
    if told.campaign is not None:
        facts["campaign"] = told.campaign
    if told.kind == "start":
        facts["direction"] = data["direction"]
        if data.get("consumer") is not None:
            facts["consumer"] = data["consumer"]
    elif told.kind == "end" and data.get("callDirection") is not None:
        facts["direction"] = data["callDirection"]
    elif is_step(told) and told.kind == "state" and facts.get("direction") is None:
        facts["direction"] = data.get("direction")


def _open_call(name: tuple[int, str], way: Course, facts: dict[str, Any]) -> OpenCall:
    last = way.turns[-1] if way.turns else None
    state = "DIALING"
    if last is not None:
        state = "QUEUED" if last.waits else "CONNECTED"
    since = last.joined if last is not None and last.waits else None
    agent = None if last is None else last.agent
    return OpenCall(name, way.present_service, state, since, way.began, agent, facts)


def _number(service: int | None) -> int:
    return -1 if service is None else service
