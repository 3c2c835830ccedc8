"""Returns the true figures as rows with the API's names, for comparison with its responses.

This module follows ``docs/metrics.md`` and shares no code with the statistics. Durations are in
whole seconds. Averages and rates are 0 if there are no calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction

from floorcast.model.states import STATE_NAMES, State
from floorcast.simulator.true_figures import AgentTruth, AgentWork, ServiceTruth
from floorcast.simulator.truth import Truth

__all__ = ["Row", "agent_rows", "averages", "campaign_rows", "report", "service_rows"]

Row = dict[str, object]

AVERAGES = {
    State.READY: "averageReadyTime",
    State.NOT_READY: "averageNotReadyTime",
    State.IN_CALL: "averageTalkTime",
    State.WRAP_UP: "averageWrapupTime",
    State.PREVIEW_DIAL: "averagePreviewDialTime",
    State.MANUAL_DIAL: "averageManualDialTime",
    State.HOLD: "averageHoldTime",
    State.TRANSFERRING: "averageTransferringTime",
    State.REGISTERING: "averageRegisteringTime",
    State.DIALING: "averageDialingTime",
    State.RESERVED: "averageReservedTime",
}
REASONS = {
    "notReadyLunchDuration": ("LUNCH",),
    "notReadyTrainingDuration": ("TRAINING",),
    "notReadyBreakDuration": ("BREAK",),
    "notReadyMeetingDuration": ("MEETING",),
    "notReadyTechDiffDuration": ("TECH_DIFFICULTIES",),
    "notReadyOtherDuration": ("VOICE_MAIL", "OTHER", "Missed call"),
}
CONTACTS = {"rpcComplete": "RPC", "rpcIncomplete": "RPC_INCOMPLETE", "wpc": "WPC"}


def report(truth: Truth, now: int) -> Row:
    """Return all true figures at ``now`` (ms)."""
    truth.count_until(now)
    return {
        "services": service_rows(truth, now),
        "intervals": interval_rows(truth),
        "agents": agent_rows(truth),
        "averages": averages(truth.agents.values()),
        "campaigns": campaign_rows(truth),
        "liveConnects": truth.live_connects(now),
        "messages": dict(sorted(truth.messages.items())),
    }


def service_rows(truth: Truth, now: int) -> list[Row]:
    """Return a row per service (``service/stats``) with further figures of the simulator."""
    return [_service(name, one, truth, now) for name, one in truth.services.items()]


def interval_rows(truth: Truth) -> list[Row]:
    """Return a row per quarter hour and service, as in ``service/stats/intervals``."""
    return [
        {
            "serviceName": name,
            "start": start,
            **{figure: counts[figure] for figure in ("offered", "handled", "abandoned")},
        }
        for name, one in truth.services.items()
        for start, counts in sorted(one.quarters.items())
    ]


def agent_rows(truth: Truth) -> list[Row]:
    """Return a row per agent who has logged on, as in ``service/agent/stats/ex``."""
    return [
        {
            "agentLoginId": login,
            "agentStatus": STATE_NAMES[agent.state],
            "missed": agent.missed,
            "services": [
                _work(agent, name) for name in sorted({agent.service, *agent.services, *agent.work})
            ],
        }
        for login, agent in truth.agents.items()
        if agent.visits
    ]


def campaign_rows(truth: Truth) -> list[Row]:
    """Return a row per campaign, with its last reported counts."""
    return [
        {
            "campaignName": name,
            "serviceName": one.service,
            "state": one.state,
            "loaded": one.loaded,
            "completed": one.completed,
            "remaining": one.remaining,
            "dialable": one.dialable,
            "timezones": {zone: count for zone, count in one.zones.items() if count},
        }
        for name, one in truth.campaigns.items()
    ]


def averages(agents: Iterable[AgentTruth]) -> Row:
    """Return the average visit to each state, as in ``service/agents/averages``."""
    all_agents = list(agents)
    return {
        name: str(
            _mean(sum(a.time[state] for a in all_agents), sum(a.visits[state] for a in all_agents))
        )
        for state, name in AVERAGES.items()
    }


def _service(name: str, one: ServiceTruth, truth: Truth, now: int) -> Row:
    served = one.answered - one.unqueued
    decided = served + one.abandoned
    logged_on = [
        agent for agent in truth.agents.values() if name in {agent.service, *agent.services}
    ]
    return {
        "serviceName": name,
        "slaSeconds": one.sla // 1000,
        "totalOffered": one.offered,
        "totalHandled": one.answered,
        "totalAbandoned": one.abandoned,
        "abandonRate": _rate(one.abandoned, decided),
        "serviceLevel": _rate(one.answered_within, decided - one.abandoned_within),
        "averageSpeedOfAnswer": _mean(one.answered_wait, served),
        "averageDurationToAbandon": _mean(one.abandoned_wait, one.abandoned),
        "averageTalkDuration": _mean(one.talk, one.talks),
        "averageWrapupDuration": _mean(one.wrap_up, one.talks),
        "averageHandleDuration": _mean(one.talk + one.wrap_up, one.talks),
        "totalCallsAnsweredWithinSLA": one.answered_within,
        "totalCallsAbandonedWithinSLA": one.abandoned_within,
        "totalCallsInQueue": len(one.waiting),
        "longestCallInQueue": (now - min(one.waiting.values(), default=now)) // 1000,
        "callsWithAgent": one.talking,
        "cip": one.outbound,
        "totalAgents": sum(agent.state is not State.LOGOFF for agent in logged_on),
        **_lists(name, truth),
        "begun": one.begun,
        "gaveUpInIvr": one.gave_up_in_ivr,
        "movedOn": one.moved,
        "left": dict(sorted(one.left.items())),
        "missed": one.missed,
        "passedOn": one.passed_on,
        "lost": one.lost,
    }


def _lists(service: str, truth: Truth) -> Row:
    campaigns = [one for one in truth.campaigns.values() if one.service == service]
    loaded = sum(one.loaded for one in campaigns)
    remaining = sum(one.remaining for one in campaigns)
    return {
        "loaded": loaded,
        "remaining": remaining,
        "playingDialable": sum(one.dialable for one in campaigns if one.state == "PLAYING"),
        "percentComplete": _rate(loaded - remaining, loaded) if loaded else 100,
    }


def _work(agent: AgentTruth, service: str) -> Row:
    work, here = agent.work.get(service, AgentWork()), service == agent.service
    known = {name: work.dispositions[code] for name, code in CONTACTS.items()}
    time = agent.spent.get(service, Counter())
    talk = sum(time[state] for state in (State.IN_CALL, State.HOLD, State.TRANSFERRING))
    times = {
        "readyDuration": time[State.READY],
        "wrapupDuration": time[State.WRAP_UP],
        "talkDuration": talk,
    } | {
        name: sum(agent.reasons[one] for one in reasons) if here else 0
        for name, reasons in REASONS.items()
    }
    shown = {name: spent // 1000 for name, spent in times.items()}
    return {
        "serviceName": service,
        "inboundCalls": work.inbound,
        "outboundCalls": work.outbound,
        **shown,
        "totalNotReadyDuration": sum(shown[name] for name in REASONS),
        **known,
        "nonContacts": work.dispositions.total() - sum(known.values()),
    }


def _mean(total: int, count: int) -> int:
    return int(Fraction(total, 1000 * count) + Fraction(1, 2)) if count else 0


def _rate(part: int, whole: int) -> int | float:
    if not whole:
        return 0
    shown = int(Fraction(10_000 * part, whole) + Fraction(1, 2)) / 100
    return int(shown) if shown.is_integer() else shown
