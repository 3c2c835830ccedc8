"""The expected responses. Every figure is computed from the sums, in the form of the JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from floorcast.verify.agent_pass import customer_phone
from floorcast.verify.client_days import QUARTER_MS, ClientDays
from floorcast.verify.expected_agent_rows import ExpectedAgentRows, Row, RowNames, text
from floorcast.verify.formulas import mean, percent, percentile, service_level
from floorcast.verify.names import KnownSite
from floorcast.verify.sums import (
    CallListDigest,
    CampaignState,
    IntervalSums,
    OpenCall,
    ServiceSums,
    Sums,
)

__all__ = ["ExpectedRows"]

_ZONES = ("AL", "AT", "CHT", "CT", "ET", "HI", "MT", "PT", "SAFE", "UK")
_COUNTS = ("loaded", "uploaded", "remaining", "completed")


class ExpectedRows:
    """The expected rows of each method at ``now``, for a user who may see everything."""

    def __init__(self, sums: Sums, site: KnownSite, days: ClientDays, now: int) -> None:
        self._sums = sums
        self._site = site
        self._names = RowNames(site)
        self._days = days
        self._now = now

    def all(self) -> dict[str, list[Row]]:
        """Return the rows of every method. Rows about agents are ordered by agent id."""
        agents = ExpectedAgentRows(self._sums, self._site, self._now)
        return {
            "service/stats": self._services(),
            "service/stats/intervals": self._intervals(),
            "service/calls": self._calls(),
            "service/calls/status": self._waiting(),
            "service/liveConnects": self._connects(),
            "service/agent/stats": agents.statistics(),
            "service/agent/stats/ex": agents.statistics_ex(),
            "service/agents/status": agents.status(),
            "service/agents/averages": agents.averages(),
            "campaign/stats": self._campaigns(),
        }

    # -- services and calls ----------------------------------------------------------------

    def _services(self) -> list[Row]:
        rows = []
        for number in self._site.services:
            logged_in = [
                sums[number]
                for sums in self._sums.agents.values()
                if number in sums and (sums[number].is_present or sums[number].was_present)
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
            "calls": [self._outbound(call) for call in sorted(outbound, key=_start_order)],
            "serviceId": str(number),
            "serviceName": known["name"],
            "cip": len(outbound),
            "totalOffered": sums.offered,
            "totalHandled": sums.handled,
            "totalAbandoned": len(sums.abandoned),
            "abandonRate": percent(len(sums.abandoned), decided),
            "serviceLevel": service_level(known.get("service_level"), sums),
            "averageSpeedOfAnswer": mean(sum(sums.waits), len(sums.waits)),
            "averageDurationToAbandon": mean(sum(sums.abandoned), len(sums.abandoned)),
            "averageTalkDuration": mean(sum(sums.talks), talks),
            "averageWrapupDuration": mean(sum(sums.wrap_ups), talks),
            "averageHandleDuration": mean(sum(sums.talks) + sum(sums.wrap_ups), talks),
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
            **self._campaign_figures(number),
            **self._names.call_center(number),
            **_targets(known),
        }

    def _intervals(self) -> list[Row]:
        """Return service statistics by quarter hour, without the maxima of agents and waits."""
        rows = []
        for (number, quarter), sums in sorted(
            (key, sums) for key, sums in self._sums.intervals.items() if key[0] is not None
        ):
            if number in self._site.services and _has_counts(sums):
                rows.append(self._interval(number, quarter, sums))
        return rows

    def _calls(self) -> list[Row]:
        """Return the number and checksum of the calls behind each figure of each service."""
        lists = dict(self._sums.calls)
        for call in self._sums.open_calls:
            if call.since is not None:
                lists.setdefault((call.service, "totalCallsInQueue"), CallListDigest()).add(
                    call.name
                )
            if call.is_with_agent:
                lists.setdefault((call.service, "callsWithAgent"), CallListDigest()).add(call.name)
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
            "serviceLevel": service_level(
                self._site.services[number].get("service_level"), of_service
            ),
            "abandonRate": percent(counts["abandoned"], len(sums.waits) + counts["abandoned"]),
            "averageSpeedOfAnswer": mean(sum(sums.waits), len(sums.waits)),
            "averageTalkDuration": mean(spent["talk"], talks),
            "averageWrapupDuration": mean(spent["wrapUp"], talks),
            "averageHandleDuration": mean(spent["talk"] + spent["wrapUp"], talks),
            "averageHoldDuration": mean(spent["holdTime"], talks),
            "waitP50": percentile(seconds, Decimal("0.5")),
            "waitP90": percentile(seconds, Decimal("0.9")),
            "waitMax": max(seconds, default=0),
            **{name: spent[name] // 1000 for name in times},
            "occupancy": percent(busy, busy + spent["readyTime"]),
        }

    def _campaign_figures(self, service: int) -> Row:
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
            "percentComplete": percent(loaded - remaining, loaded) if loaded else 100,
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
                "serviceName": self._names.service_name(call.service),
                "serviceId": text(call.service),
                "name": " ".join(name for name in names if name) or _first(names),
                "account": facts.get("account"),
                "phone": customer_phone(facts),
                "timeStamp": str((call.since or 0) // 1000),
                "agentSkill": text(facts.get("skill", call.service)),
                "priority": text(facts.get("priority")),
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

    # -- campaigns -------------------------------------------------------------------------

    def _campaigns(self) -> list[Row]:
        hidden_states = ("DEACTIVATED", "SCHEDULED_UNBUILT", "READY_UNBUILT")
        return [
            _campaign(number, one) | self._names.campaign_name(number)
            for number, one in sorted(self._sums.campaigns.items())
            if one.last >= self._days.begin
            and one.counts.get("state", "").upper() not in hidden_states
        ]


def _targets(service: Mapping[str, Any]) -> Row:
    members = {
        "targetServiceLevel": service.get("target_service_level"),
        "targetSeconds": service.get("target_seconds"),
    }
    return {name: value for name, value in members.items() if value is not None}


def _campaign(number: int, campaign: CampaignState) -> Row:
    zones = campaign.counts.get("timezones", {})
    shown = [*_ZONES, *(["GU"] if zones.get("GU") else [])]
    known = {name: campaign.counts[name] for name in _COUNTS if name in campaign.counts}
    return {
        "timezoneBreakdown": [{"timezone": z, "count": zones.get(z, 0)} for z in shown],
        "campaignId": number,
        "serviceId": campaign.service,
        **known,
    }


def _start_order(call: OpenCall) -> tuple[int, int, str]:
    return (call.began or 0, *call.name)


def _first(values: Sequence[str | None]) -> str | None:
    return next((value for value in values if value is not None), None)


def _has_counts(sums: IntervalSums) -> bool:
    counted = (sums.counts, sums.spent, sums.moved_on)
    return bool(sums.talks) or any(count for counts in counted for count in counts.values())
