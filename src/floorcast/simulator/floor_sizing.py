"""Builds a floor of a given size from the bank's services and two outbound services."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from floorcast.simulator.bank_parameters import (
    HALF_HOURS,
    BankParameters,
    BankService,
    load_parameters,
)
from floorcast.simulator.distributions import Exponential, Lognormal
from floorcast.simulator.people import HOURS_FROM_EASTERN, NAME_COUNT, agent_name
from floorcast.simulator.scenario import (
    DAY_SECONDS,
    HALF_HOUR,
    AgentPlan,
    CampaignPlan,
    FloorPlan,
    Habits,
    ServicePlan,
    Shift,
)

__all__ = ["DEFAULT_LOAD", "MAX_AGENTS", "MIN_AGENTS", "plan_floor"]

MIN_AGENTS, MAX_AGENTS = 10, 10_000  # agents
DEFAULT_LOAD = 0.75  # a typical load: some services answer late in busy hours

OUTBOUND_SHARE, MANUAL_SHARE = 0.25, 0.1  # shares of agents who call with and without the dialer
OUTBOUND, MANUAL = "Collections", "Manual (Manual 4)"
PAST_DUE, CALLBACKS = "Past due", "Callbacks"
OPENING_HALF_HOUR = (
    7 * 2
)  # half hours; before this, callers of the bank reach only the voice response unit
SHIFT = 17  # half hours, including one for lunch
AWAY_SHARE = 0.12  # share of a shift for lunch, breaks and meetings
TEAM_SIZE = 12  # agents
NAME_OFFSET = 389  # so that floors with different seeds have different names on one server
MAX_TALK_SECONDS = 3_600.0  # seconds; the fitted distribution has calls longer than a shift
SLA = {"PS": 60, "PE": 60, "IN": 120, "NE": 20, "NW": 30, "TT": 60}  # as in the example site
WRAP_UP = Lognormal(2.9, 0.6)  # about 20 s; the bank's records do not contain it
ZONES = {"ET": 0.46, "CT": 0.28, "MT": 0.07, "PT": 0.17, "AT": 0.01, "AL": 0.005, "HI": 0.005}
RECORDS_PER_HOUR = 60  # records per agent and hour, so that a list lasts about a day
HABITS = Habits(
    hold=0.14,
    consult=0.05,
    passed_on=0.06,
    overflow=0.3,
    leaves=0.08,
    identified_late=0.2,
    misses=0.03,
    dispositions=0.8,
    breaks=True,
)


def plan_floor(agents: int, *, load: float = DEFAULT_LOAD, seed: int = 0) -> FloorPlan:
    """Return a floor with so many agents, and enough calls to take up ``load`` of their time.

    Raises ValueError for an unsupported size.
    """
    if not MIN_AGENTS <= agents <= MAX_AGENTS:
        raise ValueError(f"a floor has {MIN_AGENTS} to {MAX_AGENTS} agents, not {agents}")
    parameters = load_parameters()
    outbound, manual = max(2, round(agents * OUTBOUND_SHARE)), max(1, round(agents * MANUAL_SHARE))
    inbound = _apportion(agents - outbound - manual, _talk_time_by_service(parameters))
    services = {
        name: _service_plan(name, parameters, load * count, list(inbound))
        for name, count in inbound.items()
    }
    outbound_talk, manual_talk = Lognormal(4.4, 0.9, 1_800.0), Lognormal(4.7, 0.8, 1_800.0)
    services[OUTBOUND] = ServicePlan(
        OUTBOUND, outbound_talk, wrap_up=WRAP_UP, patience=Exponential(15.0), sla_seconds=5
    )
    services[MANUAL] = ServicePlan(MANUAL, manual_talk, wrap_up=WRAP_UP)
    assignments = [name for name, count in inbound.items() for _ in range(count)]
    assignments += [OUTBOUND] * outbound + [MANUAL] * manual
    return FloorPlan(
        services=services,
        agents=_agents(assignments, parameters, seed),
        campaigns=_campaigns(outbound, manual, seed),
        habits=HABITS,
    )


def _talk_time_by_service(parameters: BankParameters) -> dict[str, float]:
    """Return the talk time that each service needs in a day (in seconds), largest first."""
    work = {
        name: service.calls * _talk(service).mean for name, service in parameters.services.items()
    }
    return dict(sorted(work.items(), key=lambda item: -item[1]))


def _talk(service: BankService) -> Lognormal:
    return Lognormal(service.talk_mu, service.talk_sigma, MAX_TALK_SECONDS)


def _apportion(agents: int, work: dict[str, float]) -> dict[str, int]:
    """Return the agents per service, in proportion to its work. Omits services without agents."""
    left, still = agents, sum(work.values())
    found = {}
    for name, part in work.items():
        count = min(left, round(left * part / still))
        if count:
            found[name] = count
        left, still = left - count, still - part
    return found


def _service_plan(
    name: str, parameters: BankParameters, busy: float, others: Sequence[str]
) -> ServicePlan:
    """Return a service with the bank's daily curve that keeps ``busy`` agents busy for a shift."""
    service = parameters.services[name]
    talk, staffed = _talk(service), SHIFT * HALF_HOUR * (1 - AWAY_SHARE)
    calls = busy * staffed / (talk.mean + WRAP_UP.mean) / (1 - service.gives_up_in_ivr)
    curve = _open_hours(parameters)
    return ServicePlan(
        name,
        talk,
        wrap_up=WRAP_UP,
        patience=Exponential(service.patience),
        calls_per_hour=[2 * calls * share for share in curve],
        ivr=Exponential(service.ivr),
        gives_up_in_ivr=service.gives_up_in_ivr,
        priorities=service.priorities,
        overflows_to=[other for other in others if other != name],
        sla_seconds=SLA[name],
    )


def _open_hours(parameters: BankParameters) -> list[float]:
    """Return the share of the day's calls in each half hour."""
    counts = [0.0] * OPENING_HALF_HOUR + list(parameters.half_hours[OPENING_HALF_HOUR:])
    return [count / sum(counts) for count in counts]


def _agents(assignments: Sequence[str], parameters: BankParameters, seed: int) -> list[AgentPlan]:
    chance = Random(f"floor {seed}")  # noqa: S311 — not used for secrets
    inbound = [name for name in dict.fromkeys(assignments) if name not in {OUTBOUND, MANUAL}]
    desks = max(2, min(20, len(assignments) // 20))
    begins, first_name = _shifts(parameters), seed * NAME_OFFSET % NAME_COUNT
    found = []
    for number, service in enumerate(assignments):
        first = begins[number * 7 % len(begins)] * HALF_HOUR
        name = agent_name(first_name + number)
        agent = AgentPlan(
            login=name.replace(" ", ""),
            service=service,
            name=name,
            team=1 + number // TEAM_SIZE,
            shift=Shift(first, min(first + SHIFT * HALF_HOUR, DAY_SECONDS)),
            desk=number % desks,
        )
        if service == MANUAL:
            agent = replace(
                agent, mode=("preview", "manual")[number % 2], campaign=f"{CALLBACKS} {seed}"
            )
        elif service != OUTBOUND:
            agent = replace(agent, skills=_extra_skills(service, inbound, parameters, chance))
        found.append(agent)
    return found


def _extra_skills(
    service: str, inbound: Sequence[str], parameters: BankParameters, chance: Random
) -> tuple[str, ...]:
    others = [name for name in inbound if name != service]
    more = parameters.skills - 1
    count = int(more) + (chance.random() < more % 1)
    return tuple(chance.sample(others, min(count, len(others))))


def _shifts(parameters: BankParameters, pattern: int = 60) -> list[int]:
    """Return the half hours at which ``pattern`` shifts begin, to follow the daily curve."""
    demand = [share * pattern * SHIFT for share in _open_hours(parameters)]
    staffed = [0] * HALF_HOURS
    begins = []
    for _ in range(pattern):
        best = max(
            range(OPENING_HALF_HOUR, HALF_HOURS - SHIFT + 1),
            key=lambda first: sum(
                max(0.0, demand[half] - staffed[half]) for half in range(first, first + SHIFT)
            ),
        )
        begins.append(best)
        for half in range(best, best + SHIFT):
            staffed[half] += 1
    return begins


def _campaigns(outbound: int, manual: int, seed: int) -> list[CampaignPlan]:
    day = SHIFT * HALF_HOUR // 3_600
    first, second = outbound * RECORDS_PER_HOUR * day, manual * RECORDS_PER_HOUR * day // 3
    return [
        CampaignPlan(
            name=f"{PAST_DUE} {seed}",
            service=OUTBOUND,
            records=_by_zone(first),
            lines_per_agent=1.6,
            texts_per_hour=6.0 * outbound,
            emails_per_hour=3.0 * outbound,
        ),
        CampaignPlan(name=f"{CALLBACKS} {seed}", service=MANUAL, records=_by_zone(second)),
    ]


def _by_zone(records: int) -> dict[str, int]:
    return {zone: round(records * ZONES[zone]) for zone in HOURS_FROM_EASTERN}
