"""Counts the figures of a story from what happened, as ``metrics.md`` defines them."""

from __future__ import annotations

from collections import Counter, defaultdict
from fractions import Fraction
from math import floor
from typing import Any

from tests.verify.stories import CATEGORIES, ON_CALL, SERVICES, SLA_MS, Story, TrueCall, Turn

__all__ = ["differences"]

QUARTER_MS = 900_000
SHORT_MS = {**SLA_MS, 20: 5_000}
TIMES = {"Ready": "ready", "Wrapup": "wrapup", "Not Ready": "notReady"}
AVERAGES = {
    "averageReadyTime": "Ready",
    "averageNotReadyTime": "Not Ready",
    "averageTalkTime": "In Call",
    "averageWrapupTime": "Wrapup",
    "averageHoldTime": "Hold",
    "averageTransferringTime": "Transferring",
}
Rows = dict[str, list[dict[str, Any]]]


class TrueFigures:
    """The figures of a story on the day of ``now``, which is after all its events."""

    def __init__(self, story: Story, now: int) -> None:
        self._story = story
        self._now = now
        self._today = story.day(now)
        # the first quarter of the day: midnight is a whole number of quarters from any time zone's
        self.begin = now // QUARTER_MS * QUARTER_MS
        while story.day(self.begin - 1) == self._today:
            self.begin -= QUARTER_MS
        self.services: dict[int, Counter[str]] = defaultdict(Counter)
        self.quarters: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
        self.agents: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
        self.time: Counter[str] = Counter()
        self.visits: dict[str, set[tuple[str, int, int]]] = defaultdict(set)
        self.logged_in = {
            (desk.login, service)
            for desk in story.desks
            for login in desk.logins
            if story.day(login.begin) == self._today or max(login.begin, self.begin) < login.end
            for service in login.services
        }
        self.logged_in |= {
            (desk.login, service)
            for desk in story.desks
            for login in desk.open_login(now)
            for service in login.services
        }
        for call in story.calls:
            for service in {turn.service for turn in call.turns}:
                self._count(call, service, [one for one in call.turns if one.service == service])
            self._count_now(call)
            self._count_for_agents(call)
        for at, service in story.missed:
            if story.day(at) == self._today:
                self._add(service, at, "missed")
        self._count_time()

    # -- calls -----------------------------------------------------------------------------

    def _count(self, call: TrueCall, service: int, turns: list[Turn]) -> None:
        """Count a call once for a service, whose turns of the call are given in order."""
        day, today = self._story.day, self._today
        offers = [
            max(turn.began, self.begin)
            for turn in turns
            if day(turn.began) <= today and (turn.decided is None or day(turn.decided) >= today)
        ]
        if offers:
            self._add(service, min(offers), "offered")
        handled: dict[object, Turn] = {}
        for turn in turns:
            if turn.answered is not None:
                handled.setdefault(day(turn.answered), turn)
        for turn in handled.values():
            assert turn.answered is not None
            if day(turn.answered) == today:
                self._count_answer(call, turn, turn.answered)
            if turn.left is not None and day(turn.left) == today:
                self._add(service, turn.left, "talks")
                self._add(service, turn.left, "talk", turn.left - turn.answered)
                self._add(service, turn.left, "wrapup", turn.wrap_up)
                self._add(service, turn.left, "transferred", turn.why != "end")
        if today in handled:
            return
        gone = [
            (turn, turn.left)
            for turn in turns
            if turn.answered is None and turn.left is not None and day(turn.left) == today
        ]
        lost = [one for one in gone if self._is_abandoned(call, one[0])]
        if lost:
            (turn, left), *_ = lost
            self._add(service, left, "abandoned")
            self._add(service, left, "abandonedWait", left - turn.began)
            self._add(service, left, "abandonedWithinSLA", left - turn.began <= SLA_MS[service])
            self._add(service, left, "abandonedShort", left - turn.began <= SHORT_MS[service])
        elif gone and all(turn.decided is not None for turn in turns):
            self._add(service, gone[-1][1], "movedOn")

    def _count_answer(self, call: TrueCall, turn: Turn, answered: int) -> None:
        wait = answered - turn.began
        self._add(turn.service, answered, "handled")
        if turn.joined is None and call.direction != "INBOUND":
            self._add(turn.service, answered, "unqueued")
        else:
            self._add(turn.service, answered, "wait", wait)
            self._add(turn.service, answered, "answeredWithinSLA", wait <= SLA_MS[turn.service])

    def _is_abandoned(self, call: TrueCall, turn: Turn) -> bool:
        if turn.why != "leave":
            return turn.why == "end"
        soon = turn is call.turn and call.ended is not None and turn.left is not None
        return turn.service == 40 or (soon and (call.ended or 0) - (turn.left or 0) <= 1000)

    def _count_now(self, call: TrueCall) -> None:
        figures = self.services[call.turn.service]
        if call.turn.decided is None:
            figures["queue"] += 1
            figures["longest"] = max(figures["longest"], self._now - call.turn.began)
        figures["withAgent"] += bool(call.agents)
        figures["cip"] += call.direction != "INBOUND" and call.ended is None

    def _add(self, service: int, at: int, figure: str, count: int = 1) -> None:
        self.services[service][figure] += count
        self.quarters[service, (at - self.begin) // QUARTER_MS][figure] += count

    # -- agents ----------------------------------------------------------------------------

    def _count_for_agents(self, call: TrueCall) -> None:
        answers = {
            (login, turn.service)
            for turn in call.turns
            for login, at in turn.answers.items()
            if self._story.day(at) == self._today
        }
        kind = "inboundCalls" if call.direction == "INBOUND" else "outboundCalls"
        for place in answers:
            self.agents[place][kind] += 1
        if call.code is not None:
            at, code, login, service = call.code
            if self._story.day(at) == self._today:
                self.agents[login, service][CATEGORIES[code]] += 1

    def _count_time(self) -> None:
        for desk in self._story.desks:
            for period in [*desk.periods, *desk.open_period(self._now)]:
                begin, state = max(period.begin, self.begin), period.state
                if begin >= period.end:
                    continue
                figure = "talk" if state in ON_CALL else TIMES.get(state, "other")
                own = self.agents[desk.login, period.service]
                own[figure] += period.end - begin
                if state == "Not Ready":
                    own[{"?": "OTHER"}.get(period.reason, period.reason)] += period.end - begin
                self.time[state] += period.end - begin
                self.visits[state].add((desk.login, period.service, period.visit))
                while begin < period.end:
                    number = (begin - self.begin) // QUARTER_MS
                    end = min(period.end, self.begin + (number + 1) * QUARTER_MS)
                    quarter = self.quarters[period.service, number]
                    quarter["loggedInTime"] += end - begin
                    quarter[f"{figure}Time"] += end - begin
                    begin = end

    # -- as shown --------------------------------------------------------------------------

    def service_rows(self) -> dict[str, dict[str, object]]:
        """Return the figures of each service."""
        rows = {}
        staffed = {service for _, service in self.logged_in}
        for service in SERVICES:
            sums = self.services[service]
            if service not in staffed and not sums["offered"]:
                continue
            staff = sum(
                desk.state != "Logoff" and service in desk.services for desk in self._story.desks
            )
            handled, abandoned = sums["handled"] - sums["unqueued"], sums["abandoned"]
            within, decided = sums["answeredWithinSLA"], handled + abandoned
            level = _rate(within, decided - sums["abandonedShort"])
            if service == 30:
                level = _rate(within + sums["abandonedWithinSLA"], decided)
            row: dict[str, object] = {
                "totalOffered": sums["offered"],
                "totalHandled": sums["handled"],
                "totalAbandoned": abandoned,
                "abandonRate": _rate(abandoned, decided),
                "serviceLevel": level,
                "totalCallsAnsweredWithinSLA": within,
                "totalCallsAbandonedWithinSLA": sums["abandonedWithinSLA"],
                "averageSpeedOfAnswer": _mean(sums["wait"], handled),
                "averageDurationToAbandon": _mean(sums["abandonedWait"], abandoned),
                "averageTalkDuration": _mean(sums["talk"], sums["talks"]),
                "averageWrapupDuration": _mean(sums["wrapup"], sums["talks"]),
                "averageHandleDuration": _mean(sums["talk"] + sums["wrapup"], sums["talks"]),
                "totalCallsInQueue": sums["queue"],
                "longestCallInQueue": sums["longest"] // 1000,
                "callsWithAgent": sums["withAgent"],
                "cip": sums["cip"],
                "totalAgents": staff,
            }
            rows[str(service)] = row
        return rows

    def quarter_rows(self) -> dict[str, dict[str, object]]:
        """Return each service's figures of each quarter hour."""
        counts = "offered handled answeredWithinSLA abandoned abandonedWithinSLA abandonedShort"
        rows = {}
        for (service, number), sums in self.quarters.items():
            talks, talk, wrap_up = sums["talks"], sums["talk"], sums["wrapup"]
            row: dict[str, object] = {name: sums[name] for name in counts.split()}
            row |= {name: sums[name] for name in ("missed", "transferred")}
            for name in ("readyTime", "talkTime", "wrapupTime", "notReadyTime", "loggedInTime"):
                row[name] = sums[name] // 1000
            row["movedOn"] = sums["movedOn"]
            row["averageTalkDuration"] = _mean(talk, talks)
            row["averageHandleDuration"] = _mean(talk + wrap_up, talks)
            rows[f"{service} {self.begin + number * QUARTER_MS}"] = row
        return rows

    def agent_rows(self) -> dict[str, dict[str, object]]:
        """Return the figures of each agent that was logged in today, by service.

        The services are those that it was logged in to, and others for which anything was counted.
        """
        rows = {}
        logins = {login for login, _ in self.logged_in}
        counted = {key for key, sums in self.agents.items() if key[0] in logins and +sums}
        for login, service in self.logged_in | counted:
            sums = self.agents[login, service]
            row: dict[str, object] = {
                name: sums[name] for name in ("inboundCalls", "outboundCalls", *CATEGORIES.values())
            }
            for name in ("ready", "wrapup", "talk"):
                row[f"{name}Duration"] = sums[name] // 1000
            for name, reason in (("Lunch", "LUNCH"), ("Break", "BREAK"), ("Other", "OTHER")):
                row[f"notReady{name}Duration"] = sums[reason] // 1000
            rows[f"{login} {service}"] = row
        return rows

    def averages(self) -> dict[str, object]:
        """Return the mean time of a visit to each state."""
        return {
            name: str(_mean(self.time[state], len(self.visits[state])))
            for name, state in AVERAGES.items()
        }


def differences(story: Story, now: int, rows: Rows) -> list[object]:
    """Return the figures in the rows of ``displayed_rows`` that are not the story's."""
    true = TrueFigures(story, now)
    true_services, true_agents = true.service_rows(), true.agent_rows()
    services = {row["serviceId"]: row for row in rows["service/stats"]}
    quarters = {
        f"{row['serviceId']} {row['start']}": {**row, "movedOn": sum(row["movedOn"].values())}
        for row in rows["service/stats/intervals"]
    }
    agents = {
        f"{row['agentLoginId']} {own['id']}": own
        for row in rows["service/agent/stats/ex"]
        for own in row["services"]
    }
    status = {row["agentLoginId"]: row for row in rows["service/agents/status"]}
    present: dict[str, dict[str, object]] = {
        desk.login: {"state": desk.state, "stateChangedAfter": desk.since}
        | ({} if desk.call is None else {"transactionId": desk.call.number})
        for desk in story.desks
        if desk.state != "Logoff"
    }
    (averages,) = rows["service/agents/averages"]
    return [
        *(true_services.keys() ^ services.keys()),
        *_compare(true_services, services),
        *_compare(true.quarter_rows(), quarters),
        *(true_agents.keys() ^ agents.keys()),
        *_compare(true_agents, agents),
        *_compare(present, status),
        *_compare({"averages": true.averages()}, {"averages": averages}),
    ]


def _compare(
    true: dict[str, dict[str, object]], shown: dict[str, dict[str, Any]]
) -> list[tuple[str, str, object, object]]:
    """Return the figures that differ. A row that is absent shows 0 for every figure."""
    every = {name: 0 for row in true.values() for name in row}
    return [
        (row, name, value, shown.get(row, every).get(name))
        for row in true.keys() | shown.keys()
        for name, value in true.get(row, every).items()
        if shown.get(row, every).get(name) != value
    ]


def _mean(total_ms: int, count: int) -> int:
    return floor(Fraction(total_ms, 1000 * count) + Fraction(1, 2)) if count else 0


def _rate(part: int, whole: int) -> float:
    return floor(Fraction(10_000 * part, whole) + Fraction(1, 2)) / 100 if whole else 0
