"""The expected answers of the methods about agents, and the names that rows show."""

from __future__ import annotations

from collections import Counter
from typing import Any

from floorcast.verify.formulas import mean
from floorcast.verify.names import KnownSite
from floorcast.verify.sums import AgentSums, Presence, Sums

__all__ = ["ExpectedAgentRows", "Row", "RowNames", "text"]

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


class RowNames:
    """The names and call centers that rows show."""

    def __init__(self, site: KnownSite) -> None:
        self._site = site

    def agent_name(self, agent: int) -> str:
        """Return the agent's name, or else its login."""
        login, name = self._site.agents[agent]
        return name or login

    def campaign_name(self, campaign: int) -> Row:
        """Return the ``name`` member of a campaign's row, or nothing if no source has named it."""
        name = self._site.names.campaigns[campaign]
        return {} if name == f"Campaign {campaign}" else {"name": name}

    def service_name(self, service: int | None) -> str | None:
        """Return the name of a service."""
        return None if service is None else self._site.services[service]["name"]

    def call_center(self, service: int | None) -> Row:
        """Return the members of a row with the id and name of a service's call center."""
        center = None if service is None else self._site.services[service].get("call_center")
        name = None if center is None else self._site.call_centers.get(center)
        return {"callCenterId": text(center), "callCenterName": name}


class ExpectedAgentRows:
    """The expected rows at ``now`` for each method about agents, ordered by agent id."""

    def __init__(self, sums: Sums, site: KnownSite, now: int) -> None:
        self._sums = sums
        self._site = site
        self._names = RowNames(site)
        self._now = now

    def statistics(self) -> list[Row]:
        """Return today's figures for each agent that is logged in."""
        rows: list[Row] = []
        for agent, presence in sorted(self._sums.presences.items()):
            if presence.state == "Logoff":
                continue
            sums: Counter[str] = Counter()
            for one in self._sums.agents[agent].values():
                sums.update(_figures(one))
            row: Row = {
                "agentName": self._names.agent_name(agent),
                "agentStatus": presence.state,
                "stateChangedTime": presence.since,
                **{name: sums[name] for name in _figures(AgentSums())},
            }
            rows.append(row)
        return rows

    def statistics_ex(self) -> list[Row]:
        """Return today's figures by service, for each agent that was logged in today."""
        rows: list[Row] = []
        for agent, services in sorted(self._sums.agents.items()):
            if not any(one.was_present or one.is_present for one in services.values()):
                continue
            entries = []
            for service in sorted(services, key=lambda one: -1 if one is None else one):
                one, figures = services[service], _figures(services[service])
                if one.was_present or one.is_present or any(figures.values()):
                    center = self._names.call_center(service)["callCenterId"]
                    entries.append({"id": service, "callCenterId": center, **figures})
            row: Row = {
                "services": entries,
                "agentName": self._names.agent_name(agent),
                "agentLoginId": self._site.agents[agent][0],
            }
            rows.append(row)
        return rows

    def status(self) -> list[Row]:
        """Return the state of each agent that is logged in."""
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
            "serviceName": self._names.service_name(presence.service),
            "agentLoginId": self._site.agents[agent][0],
            "agentName": self._names.agent_name(agent),
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
            **self._names.call_center(presence.service),
        }

    def averages(self) -> list[Row]:
        """Return the mean time per visit to each state."""
        time: Counter[str] = Counter()
        visits: Counter[str] = Counter()
        for services in self._sums.agents.values():
            for one in services.values():
                time.update(one.time)
                visits.update(one.visits)
        row: Row = {
            f"average{name}Time": str(mean(time[state], visits[state]))
            for name, state in _AVERAGES.items()
        }
        return [{**row, "timeStamp": str(self._now)}]


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


def text(value: object) -> str | None:
    """Return a number as a row shows it."""
    return None if value is None else str(value)
