"""A made-up day of inbound calls, the same for the same seed: for the demo and for tests.

Callers arrive at random, more of them in the middle of the day, wait in line for the first
free agent of their service, lose patience, talk, and leave the agent a moment to recover. The
parameters are near those of the bank whose days we test with (arrivals in the hundreds an
hour, patience of a few minutes, lognormal talk of about three).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from math import log
from random import Random
from typing import NamedTuple

from floorcast.sources.call_records import Call

__all__ = ["SERVICES", "Queue", "generate"]

OPENS, CLOSES = 8, 23  # clock hours
PATIENCE = 240.0  # seconds, mean of an exponential
TALK_MEDIAN, TALK_SPREAD = 130.0, 0.8  # seconds, and the sigma of the lognormal
RECOVERY = 20.0  # seconds between two calls of an agent
IVR = 25.0  # seconds, mean
GIVES_UP_EARLY = 0.06  # of the callers hang up before they are put in line


class Queue(NamedTuple):
    """A service: its name, its callers an hour at the busiest time, its agents' logins."""

    name: str
    calls_an_hour: float
    agents: tuple[str, ...]


SERVICES = (
    Queue("PS", 240, tuple(f"agent{n:02}" for n in range(1, 13))),
    Queue("NE", 50, ("agent13", "agent14", "agent15")),
    Queue("IN", 40, ("agent16", "agent17", "agent18")),
    Queue("NW", 35, ("agent19", "agent20")),
)


def generate(day: date, seed: int, services: tuple[Queue, ...] = SERVICES) -> list[Call]:
    """The day's calls, by start; their times are clock times of ``day``."""
    random = Random(seed)  # noqa: S311 — no secret depends on it
    calls = [call for queue in services for call in _served(queue, day, random)]
    calls.sort(key=lambda call: (call.started, call.call_id))
    return [call._replace(row=row) for row, call in enumerate(calls, 1)]


def _served(queue: Queue, day: date, random: Random) -> Iterator[Call]:
    free = [(datetime.combine(day, time(OPENS)), agent) for agent in queue.agents]
    heapq.heapify(free)
    for number, started in enumerate(_arrivals(queue, day, random), 1):
        ivr = timedelta(seconds=round(random.expovariate(1 / IVR)))
        queued = started + ivr
        call = Call(
            dated=day,
            day=day,
            row=0,
            line=queue.name,
            call_id=f"{number:05}",
            service=queue.name,
            priority=0,
            outcome="HANG",
            agent=None,
            ivr_seconds=int(ivr.total_seconds()),
            started=started,
            queued=None,
            answered=None,
            ended=queued,
        )
        if random.random() < GIVES_UP_EARLY:
            yield call
            continue
        patience = timedelta(seconds=round(random.expovariate(1 / PATIENCE)) + 1)
        since, agent = free[0]
        answered = max(queued, since)
        if answered - queued > patience:
            yield call._replace(queued=queued, ended=queued + patience)
            continue
        talk = timedelta(seconds=round(random.lognormvariate(log(TALK_MEDIAN), TALK_SPREAD)) + 1)
        ended = answered + talk
        heapq.heapreplace(free, (ended + timedelta(seconds=RECOVERY), agent))
        yield call._replace(
            outcome="AGENT", agent=agent, queued=queued, answered=answered, ended=ended
        )


def _arrivals(queue: Queue, day: date, random: Random) -> Iterator[datetime]:
    """A Poisson process, thinned: half the callers at the edges of the day, all at noon."""
    opens = datetime.combine(day, time(OPENS))
    length = (CLOSES - OPENS) * 3600
    seconds = 0.0
    while (seconds := seconds + random.expovariate(queue.calls_an_hour / 3600)) < length:
        busy = 0.5 + 2 * (seconds / length) * (1 - seconds / length)
        if random.random() < busy:
            yield opens + timedelta(seconds=int(seconds))
