"""The answers as they should be: every figure from the sums, as a reader of the JSON has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Any

from floorcast.verify.agent_pass import customer_phone
from floorcast.verify.client_days import QUARTER_MS, Days
from floorcast.verify.names import Site
from floorcast.verify.sums import (
    AgentSums,
    CallList,
    Campaign,
    IntervalSums,
    OpenCall,
    Presence,
    ServiceSums,
    Sums,
)

__all__ = ["Answers"]

Row = dict[str, Any]

_REASONS = {
    "Lunch": "LUNCH",
    "Training": "TRAINING",
    "Break": "BREAK",
    "Meeting": "MEETING",
    "TechDiff": "TECH_DIFFICULTIES",
    "Other": "OTHER",
}
_AVERAGES = {
    "Ready": "Ready",
    "NotReady": "Not Ready",
    "Talk": "In Call",
    "Wrapup": "Wrapup",
    "PreviewDial": "Preview Dial",
    "ManualDial": "Manual Dial",
    "Hold": "Hold",
    "Transferring": "Transferring",
    "Registering": "Registering",
    "Dialing": "Dialing",
    "Reserved": "Reserved",
}
_STATE_IDS = (
    "Logoff", "Logon", "Ready", "Not Ready", "In Call", "Wrapup", "Transferring", "Manual Dial",
    "Preview Dial", "Dialing", "Registering", "Hold", "Reserved",
)  # fmt: skip
_CATEGORIES = ("rpcComplete", "rpcIncomplete", "wpc", "nonContacts")
_ZONES = ("AL", "AT", "CHT", "CT", "ET", "HI", "MT", "PT", "SAFE", "UK")
_COUNTS = ("loaded", "uploaded", "remaining", "completed")


class Answers:
    """The expected rows of each method at ``now``, for a user who sees everything."""

    def __init__(self, sums: Sums, site: Site, days: Days, now: int) -> None:
        self._sums = sums
        self._site = site
        self._days = days
        self._now = now

    def all(self) -> dict[str, list[Row]]:
        """Every method's rows; those of agents in the order of their ids."""
        return {
            "service/stats": self._services(),
            "service/stats/intervals": self._intervals(),
            "service/calls": self._calls(),
            "service/calls/status": self._waiting(),
            "service/liveConnects": self._connects(),
            "service/agent/stats": self._stats(),
            "service/agent/stats/ex": self._ex(),
            "service/agents/status": self._status(),
            "service/agents/averages": self._averages(),
            "campaign/stats": self._campaigns(),
        }

    # -- services and calls ----------------------------------------------------------------

    def _services(self) -> list[Row]:
        rows = []
        for number in self._site.services:
            logged_in = [
                sums[number]
                for sums in self._sums.agents.values()
                if number in sums and (sums[number].is_present or sums[number].was_there)
            ]
            if logged_in or self._sums.services[number].offered:
                rows.append(self._service(number))
        return rows

    def _service(self, number: int) -> Row:
        known, sums = self._site.services[number], self._sums.services[number]
        calls = [call for call in self._sums.open_calls if call.service == number]
        waits = [self._now - call.since for call in calls if call.since is not None]
        outbound = [call for call in calls if call.facts.get("direction") in ("OUTBOUND", "MANUAL")]
        decided = len(sums.waits) + len(sums.abandoned)
        talks = len(sums.talks)
        return {
            "calls": [self._outbound(call) for call in sorted(outbound, key=_beginning)],
            "serviceId": str(number),
            "serviceName": known["name"],
            "cip": len(outbound),
            "totalOffered": sums.offered,
            "totalHandled": sums.handled,
            "totalAbandoned": len(sums.abandoned),
            "abandonRate": _percent(len(sums.abandoned), decided),
            "serviceLevel": _level(known.get("service_level"), sums),
            "averageSpeedOfAnswer": _mean(sum(sums.waits), len(sums.waits)),
            "averageDurationToAbandon": _mean(sum(sums.abandoned), len(sums.abandoned)),
            "averageTalkDuration": _mean(sum(sums.talks), talks),
            "averageWrapupDuration": _mean(sum(sums.wrap_ups), talks),
            "averageHandleDuration": _mean(sum(sums.talks) + sum(sums.wrap_ups), talks),
            "totalCallsAnsweredWithinSLA": sums.handled_within,
            "totalCallsAbandonedWithinSLA": sums.abandoned_within,
            "pacingMethod": known.get("pacing_method"),
            "throttle": known.get("throttle"),
            "units": known.get("units"),
            "totalCallsInQueue": len(waits),
            "callsWithAgent": sum(call.is_with_agent for call in calls),
            "totalAgents": sum(
                number in one.services and one.state != "Logoff"
                for one in self._sums.presences.values()
            ),
            "longestCallInQueue": max([0, *waits]) // 1000,
            "maxHoldTime": known.get("max_hold_time"),
            **self._of_campaigns(number),
            **self._call_center(number),
            **_targets(known),
        }

    def _intervals(self) -> list[Row]:
        """Those of service statistics, by quarter hour; without the maxima."""
        rows = []
        for (number, quarter), sums in sorted(
            (key, sums) for key, sums in self._sums.intervals.items() if key[0] is not None
        ):
            if number in self._site.services and _is_counted(sums):
                rows.append(self._interval(number, quarter, sums))
        return rows

    def _calls(self) -> list[Row]:
        """Which calls are behind each figure of a service."""
        lists = dict(self._sums.calls)
        for call in self._sums.open_calls:
            if call.since is not None:
                lists.setdefault((call.service, "totalCallsInQueue"), CallList()).add(call.name)
            if call.is_with_agent:
                lists.setdefault((call.service, "callsWithAgent"), CallList()).add(call.name)
        return [
            {"name": f"{service} {figure}", "total": listed.total, "sum": listed.sum}
            for (service, figure), listed in lists.items()
            if service in self._site.services
        ]

    def _interval(self, number: int, quarter: int, sums: IntervalSums) -> Row:
        start = self._days.begin + quarter * QUARTER_MS
        end = min(start + QUARTER_MS, self._days.end)
        counts, spent, talks = sums.counts, sums.spent, sums.talks
        of_service = ServiceSums(
            waits=sums.waits,
            abandoned=[0] * counts["abandoned"],
            handled_within=counts["answeredWithinSLA"],
            abandoned_within=counts["abandonedWithinSLA"],
            abandoned_short=counts["abandonedShort"],
        )
        seconds = sorted(wait // 1000 for wait in sums.waits)
        busy = spent["talkTime"] + spent["wrapupTime"]
        shown = ("offered", "handled", "abandoned", "missed", "transferred", "answeredWithinSLA")
        times = ("readyTime", "talkTime", "wrapupTime", "notReadyTime", "loggedInTime")
        return {
            "name": f"{number} {start}",
            "serviceId": str(number),
            "start": start,
            "end": end,
            "complete": end <= self._now,
            **{name: counts[name] for name in (*shown, "abandonedWithinSLA", "abandonedShort")},
            "movedOn": {name: count for name, count in sums.moved_on.items() if count},
            "serviceLevel": _level(self._site.services[number].get("service_level"), of_service),
            "abandonRate": _percent(counts["abandoned"], len(sums.waits) + counts["abandoned"]),
            "averageSpeedOfAnswer": _mean(sum(sums.waits), len(sums.waits)),
            "averageTalkDuration": _mean(spent["talk"], talks),
            "averageWrapupDuration": _mean(spent["wrapUp"], talks),
            "averageHandleDuration": _mean(spent["talk"] + spent["wrapUp"], talks),
            "averageHoldDuration": _mean(spent["holdTime"], talks),
            "waitP50": _rank(seconds, Decimal("0.5")),
            "waitP90": _rank(seconds, Decimal("0.9")),
            "waitMax": max(seconds, default=0),
            **{name: spent[name] // 1000 for name in times},
            "occupancy": _percent(busy, busy + spent["readyTime"]),
        }

    def _of_campaigns(self, service: int) -> Row:
        found = [
            one.counts
            for one in self._sums.campaigns.values()
            if one.service == service and one.last >= self._days.begin
        ]
        loaded = sum(counts.get("loaded", 0) for counts in found)
        remaining = sum(counts.get("remaining", 0) for counts in found)
        playing = [one for one in found if one.get("state", "").upper() == "PLAYING"]
        return {
            "loaded": loaded,
            "remaining": remaining,
            "playingDialable": sum(counts.get("dialable", 0) for counts in playing),
            "percentComplete": _percent(loaded - remaining, loaded) if loaded else 100,
        }

    def _outbound(self, call: OpenCall) -> Row:
        return {
            "transactionId": call.name[0],
            "sessionId": call.name[1],
            "campaignId": call.facts.get("campaign"),
            "account": call.facts.get("account"),
            "phone": customer_phone(call.facts),
            "agentLoginId": self._site.agents[call.agents[0]][0] if call.agents else None,
            "callStartTime": call.began,
            "state": call.state,
        }

    def _waiting(self) -> list[Row]:
        waiting = [call for call in self._sums.open_calls if call.since is not None]
        rows: list[Row] = []
        for call in sorted(waiting, key=lambda one: (one.since, one.name)):
            facts, consumer = call.facts, call.facts.get("consumer") or {}
            names = [consumer.get("firstName"), consumer.get("lastName")]
            row = {
                "serviceName": self._service_name(call.service),
                "serviceId": _text(call.service),
                "name": " ".join(name for name in names if name) or _first(names),
                "account": facts.get("account"),
                "phone": customer_phone(facts),
                "timeStamp": str((call.since or 0) // 1000),
                "agentSkill": _text(facts.get("skill", call.service)),
                "priority": _text(facts.get("priority")),
            }
            rows.append(row)
        return rows

    def _connects(self) -> list[Row]:
        rows: list[Row] = []
        for index in range(6):
            end = self._now - (5 - index) * 300_000
            total = sum(end - 300_000 < at <= end for at in self._sums.connects)
            rows.append({"total": str(total), "timeStamp": str(end)})
        return rows

    # -- agents ----------------------------------------------------------------------------

    def _stats(self) -> list[Row]:
        rows: list[Row] = []
        for agent, presence in sorted(self._sums.presences.items()):
            if presence.state == "Logoff":
                continue
            sums: Counter[str] = Counter()
            for one in self._sums.agents[agent].values():
                sums.update(_figures(one))
            row: Row = {
                "agentName": self._agent_name(agent),
                "agentStatus": presence.state,
                "stateChangedTime": presence.since,
                **{name: sums[name] for name in _figures(AgentSums())},
            }
            rows.append(row)
        return rows

    def _ex(self) -> list[Row]:
        rows: list[Row] = []
        for agent, services in sorted(self._sums.agents.items()):
            if not any(one.was_there or one.is_present for one in services.values()):
                continue
            entries = []
            for service in sorted(services, key=lambda one: -1 if one is None else one):
                one, figures = services[service], _figures(services[service])
                if one.was_there or one.is_present or any(figures.values()):
                    center = self._call_center(service)["callCenterId"]
                    entries.append({"id": service, "callCenterId": center, **figures})
            row: Row = {
                "services": entries,
                "agentName": self._agent_name(agent),
                "agentLoginId": self._site.agents[agent][0],
            }
            rows.append(row)
        return rows

    def _status(self) -> list[Row]:
        return [
            self._details(agent, presence)
            for agent, presence in sorted(self._sums.presences.items())
            if presence.state != "Logoff"
        ]

    def _details(self, agent: int, presence: Presence) -> Row:
        calls: Counter[str] = Counter()
        for one in self._sums.agents[agent].values():
            calls.update(one.calls)
        return {
            "serviceId": presence.service,
            "serviceName": self._service_name(presence.service),
            "agentLoginId": self._site.agents[agent][0],
            "agentName": self._agent_name(agent),
            "state": presence.state,
            "stateId": _STATE_IDS.index(presence.state),
            "reasonCode": presence.reason or "",
            "callType": presence.call.get("direction"),
            "stateChangedAfter": presence.since,
            "inboundCalls": calls["inbound"] or None,
            "outboundCalls": calls["outbound"] or None,
            "isAgentMonitored": presence.monitored,
            "transactionId": presence.call.get("transactionId"),
            "sessionId": presence.call.get("sessionId"),
            "account": presence.call.get("account"),
            "agentSkill": presence.skill,
            "phone": presence.call.get("phone"),
            **self._call_center(presence.service),
        }

    def _averages(self) -> list[Row]:
        time: Counter[str] = Counter()
        visits: Counter[str] = Counter()
        for services in self._sums.agents.values():
            for one in services.values():
                time.update(one.time)
                visits.update(one.visits)
        row: Row = {
            f"average{name}Time": str(_mean(time[state], visits[state]))
            for name, state in _AVERAGES.items()
        }
        return [{**row, "timeStamp": str(self._now)}]

    # -- campaigns -------------------------------------------------------------------------

    def _campaigns(self) -> list[Row]:
        left_out = ("DEACTIVATED", "SCHEDULED_UNBUILT", "READY_UNBUILT")
        return [
            _campaign(number, one) | self._campaign_name(number)
            for number, one in sorted(self._sums.campaigns.items())
            if one.last >= self._days.begin and one.counts.get("state", "").upper() not in left_out
        ]

    # -- names -----------------------------------------------------------------------------

    def _agent_name(self, agent: int) -> str:
        login, name = self._site.agents[agent]
        return name or login

    def _campaign_name(self, campaign: int) -> Row:
        """Its name, unless no source has named it."""
        name = self._site.names.campaigns[campaign]
        return {} if name == f"Campaign {campaign}" else {"name": name}

    def _service_name(self, service: int | None) -> str | None:
        return None if service is None else self._site.services[service]["name"]

    def _call_center(self, service: int | None) -> Row:
        center = None if service is None else self._site.services[service].get("call_center")
        name = None if center is None else self._site.call_centers.get(center)
        return {"callCenterId": _text(center), "callCenterName": name}


def _targets(service: Mapping[str, Any]) -> Row:
    members = {
        "targetServiceLevel": service.get("target_service_level"),
        "targetSeconds": service.get("target_seconds"),
    }
    return {name: value for name, value in members.items() if value is not None}


def _campaign(number: int, campaign: Campaign) -> Row:
    zones = campaign.counts.get("timezones", {})
    shown = [*_ZONES, *(["GU"] if zones.get("GU") else [])]
    known = {name: campaign.counts[name] for name in _COUNTS if name in campaign.counts}
    return {
        "timezoneBreakdown": [{"timezone": z, "count": zones.get(z, 0)} for z in shown],
        "campaignId": number,
        "serviceId": campaign.service,
        **known,
    }


def _figures(sums: AgentSums) -> Row:
    reasons = {name: sums.reasons[reason] // 1000 for name, reason in _REASONS.items()}
    talk = sum(sums.time[state] for state in ("In Call", "Hold", "Transferring"))
    return {
        "inboundCalls": sums.calls["inbound"],
        "outboundCalls": sums.calls["outbound"],
        "readyDuration": sums.time["Ready"] // 1000,
        "totalNotReadyDuration": sum(reasons.values()),
        **{f"notReady{name}Duration": seconds for name, seconds in reasons.items()},
        "wrapupDuration": sums.time["Wrapup"] // 1000,
        "talkDuration": talk // 1000,
        **{category: sums.categories[category] for category in _CATEGORIES},
    }


def _level(formula: str | None, sums: ServiceSums) -> int | float:
    handled, abandoned = len(sums.waits), len(sums.abandoned)
    if formula == "answered_of_offered":
        return _percent(sums.handled_within, handled + abandoned)
    if formula == "with_abandons_within_sla":
        return _percent(sums.handled_within + sums.abandoned_within, handled + abandoned)
    if formula == "answered_of_answered":
        return _percent(sums.handled_within, handled)
    return _percent(sums.handled_within, handled + abandoned - sums.abandoned_short)


def _percent(part: int, whole: int) -> int | float:
    if whole == 0:
        return 0
    value = (Decimal(100) * part / whole).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return float(value)


def _mean(total_ms: int, count: int) -> int:
    if count == 0:
        return 0
    return int((Decimal(total_ms) / count / 1000).quantize(Decimal(1), ROUND_HALF_UP))


def _beginning(call: OpenCall) -> tuple[int, int, str]:
    return (call.began or 0, *call.name)


def _first(values: Sequence[str | None]) -> str | None:
    return next((value for value in values if value is not None), None)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _is_counted(sums: IntervalSums) -> bool:
    counted = (sums.counts, sums.spent, sums.moved_on)
    return bool(sums.talks) or any(count for counts in counted for count in counts.values())


def _rank(ordered: Sequence[int], share: Decimal) -> int:
    """The nearest rank."""
    rank = int((share * len(ordered)).to_integral_value(ROUND_CEILING))
    return ordered[rank - 1] if rank else 0
