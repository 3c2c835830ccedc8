"""Data for the wallboard tests: a site with a few services, and the events of a shift."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from tests.real.sites import SITE, event

__all__ = ["SERVICES", "WALL_SITE", "campaigns", "shift", "site_with_alert"]

SERVICES = {38049: "Sales", 38050: "Help", 38061: "Claims", 38062: "Collections", 38063: "Français"}
WALL_SITE = SITE.replace(
    '{id = 38051, name = "Nowhere"},',
    '{id = 38061, name = "Claims", call_center = 1623, sla_seconds = 30},'
    '{id = 38062, name = "Collections", call_center = 1700, sla_seconds = 20},'
    '{id = 38063, name = "Français", call_center = 1700, sla_seconds = 45},'
    '{id = 38064, name = "Retention and win-back", call_center = 1700, sla_seconds = 45},',
)
RULE = """
[[client.alert]]
name = "Queue"
figure = "totalCallsInQueue"
above = 1
clear = 0
"""
STATES = ("READY", "IN_CALL", "IN_CALL", "IN_CALL", "WRAP_UP", "NOT_READY", "AGENT_HOLD")
REASONS = ("LUNCH", "BREAK", "TRAINING", "MEETING")
FIRST = ("Ana", "Bo", "Chidi", "Dana", "Emre", "Fay", "Goran", "Hana", "Idris", "Jun", "Kai", "Lea")
LAST = ("Okafor", "Nowak", "Silva", "Haddad", "Lind", "Marsh", "Ito", "Berg", "Costa", "Reyes")


def site_with_alert() -> str:
    """Return the wallboard tests' site with an alert that fires at two waiting calls."""
    first, second = WALL_SITE.split("\n\n[[client]]", 1)
    return f"{first}\n{RULE}\n[[client]]{second}"


def shift(
    agents: int, calls: int, waiting: int, seed: int = 1, now: datetime | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the events of a shift's first half hour, with finished and waiting calls."""
    random, now = Random(seed), now or datetime.now(UTC)
    numbers = count(seed * 1_000_000)
    services = list(SERVICES)

    def at(seconds_ago: float) -> str:
        return (now - timedelta(seconds=seconds_ago)).isoformat()

    for number in range(agents):
        # events have no names, so the logins look like names
        login = f"{FIRST[number % 12]} {LAST[number // 12 % 10]} {number:04}"
        data: dict[str, Any] = {"agent": login, "service": services[number % len(services)]}
        yield event("agent.state", next(numbers), time=at(1900), **data, eventType="LOGON")
        state = random.choice(STATES)
        reason = {"reason": random.choice(REASONS)} if state == "NOT_READY" else {}
        when = at(random.expovariate(1 / 240))
        yield event("agent.state", next(numbers), time=when, **data, eventType=state, **reason)
    for _ in range(calls):
        yield from _finished_call(next(numbers), services, random, numbers, at)
    for _ in range(waiting):
        number = next(numbers)
        service = random.choice(services[:3])
        call = {"transactionId": number, "sessionId": f"S{number}"}
        ago = random.expovariate(1 / 45)
        who = {"callerId": f"555{number % 10**7:07}", "direction": "INBOUND"}
        yield event("call.start", next(numbers), time=at(ago + 9), **call, service=service, **who)
        yield event("call.queue", next(numbers), time=at(ago), **call)


def _finished_call(
    number: int,
    services: list[int],
    random: Random,
    numbers: Iterator[int],
    at: Callable[[float], str],
) -> Iterator[dict[str, Any]]:
    call = {"transactionId": number, "sessionId": f"S{number}"}
    service, began = random.choice(services), random.uniform(60, 1750)
    wait = min(random.expovariate(1 / 15), began - 1)
    yield event(
        "call.start", next(numbers), time=at(began), **call, service=service, direction="INBOUND"
    )
    yield event("call.queue", next(numbers), time=at(began), **call)
    if random.random() < 0.06 + 0.1 * (service == 38062):
        yield event("call.end", next(numbers), time=at(began - wait), **call)
        return
    yield event("call.answer", next(numbers), time=at(began - wait), **call)
    ended = max(0.0, began - wait - random.lognormvariate(4.6, 0.6))
    yield event("call.end", next(numbers), time=at(ended), **call)
    code = random.choice(("RPC", "RPC_INCOMPLETE", "WPC", "No answer"))
    yield event("call.disposition", next(numbers), time=at(ended), **call, termCode=code)


def campaigns() -> Iterator[dict[str, Any]]:
    """Yield the events of three campaigns: one is running, one is complete, and one is loading."""
    zones = {"ET": 12_400, "CT": 8_100, "MT": 2_300, "PT": 6_050}
    playing = {"loaded": 40_000, "uploaded": 41_200, "completed": 11_150, "remaining": 28_850}
    done = {"loaded": 5_000, "uploaded": 5_000, "completed": 5_000, "remaining": 0}
    for number, service, more in (
        (7001, 38049, {"state": "PLAYING", "timezones": zones, **playing}),
        (7002, 38062, {"state": "STOPPED", "timezones": {"ET": 5_000}, **done}),
        (7003, 38062, {"state": "BUILDING"}),
    ):
        name = f"campaign {number}"
        yield event(
            "campaign.update", f"c{number}", campaign=number, service=service, name=name, **more
        )
