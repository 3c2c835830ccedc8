"""Tests that ``docs/metrics.md`` lists every figure, with the right result for its example."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from floorcast.floor.floor import Floor
from floorcast.floor.view import FloorView
from floorcast.http.openapi.figure_descriptions import FIGURES
from floorcast.site.configuration import FloorConfig, Formula, Service
from floorcast.statistics.agent_averages import AgentAverages, agent_averages, averages_answer
from floorcast.statistics.agent_stats import AgentServices, AgentStatistics, agent_statistics
from floorcast.statistics.agent_status import AgentDetails
from floorcast.statistics.campaign_stats import CampaignStatistics, campaign_statistics
from floorcast.statistics.live_connects import LiveConnects, live_connects
from floorcast.statistics.requests import CampaignFilter
from floorcast.statistics.service_stats import OutboundCall, ServiceStatistics, service_stats
from floorcast.statistics.visibility import Moment, Visibility
from floorcast.statistics.waiting_calls import WaitingCall
from tests.statistics.floors import as_json, at, event_at, fold_events, scopes

AVERAGE = re.compile(r"average\w+Time")  # the page has one sentence for all of these
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text("utf-8")
ON = "2026-11-23"
NOW = Moment(at(f"{ON}T09:10:00+00:00"))
SHOWN = (
    AgentAverages, AgentDetails, AgentServices, AgentStatistics, CampaignStatistics, LiveConnects,
    OutboundCall, ServiceStatistics, WaitingCall,
)  # fmt: skip


def example_events() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the time, type and data of each event in the page's example."""
    block = re.search(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    for line in block[1].splitlines():
        clock, kind, about, *words = line.split()
        data: dict[str, Any] = {
            name: int(value) if value.isdigit() else value
            for name, value in (word.split("=") for word in words if "=" in word)
        }
        if kind == "agent.state":
            data |= {"agent": about, "eventType": words[0]}
            if "call" in data:
                data["call"] = {"transactionId": data["call"], "sessionId": f"S{data['call']}"}
        elif kind == "campaign.update":
            data["campaign"] = about
        else:
            data |= {"transactionId": int(about), "sessionId": f"S{about}"}
        yield f"{ON}T{clock}+00:00", kind, data


@pytest.mark.parametrize("figure", [name for name in FIGURES if not AVERAGE.fullmatch(name)])
def test_openapi_definitions_equal_those_of_the_page(figure: str) -> None:
    """The definition on the page begins with the definition in ``/openapi.json``."""
    row = re.search(rf"^\| `{figure}` \| ([^|]+) \|", PAGE, re.MULTILINE)
    assert row is not None
    assert row[1].startswith(FIGURES[figure])


@lru_cache
def example_floor(formula: Formula = "excluding_abandons_within_sla") -> Floor:
    services = (
        Service(id=1, name="Sales", sla_seconds=20, service_level=formula),
        Service(id=2, name="Support"),
    )
    events = [event_at(kind, when, **data) for when, kind, data in example_events()]
    return fold_events(FloorConfig(services=services), events)


def answers() -> dict[str, dict[str, Any]]:
    """Return the row of statistics that each section of the page describes."""
    seen = scopes(example_floor())
    averages = averages_answer(agent_averages(seen, NOW).all(), NOW).agent_averages[0]
    campaigns = campaign_statistics(
        Visibility([FloorView(example_floor())]), CampaignFilter(), NOW
    ).all()
    return {
        "Calls of a service": as_json(service_stats(seen, NOW).all()[0]),
        "Agents": as_json(agent_statistics(seen, NOW).all()[0]) | as_json(averages),
        "Campaigns": as_json(campaigns[0]),
    }


def page_numbers() -> Iterator[tuple[str, str, str]]:
    """Yield the section, the figure and the result for each example in the page's tables."""
    for section in PAGE.split("\n## ")[1:]:
        title = section.partition("\n")[0]
        for row in re.findall(r"^\| `(\w+)` \|(.*)$", section, re.MULTILINE):
            result = re.search(r"\*\*([\d.]+)\*\*", row[1])
            if result is not None:
                yield title, row[0], result[1]


@pytest.mark.parametrize(("section", "figure", "result"), list(page_numbers()))
def test_each_example_has_the_computed_number(section: str, figure: str, result: str) -> None:
    """The floor computes the page's number from the example's events."""
    if section == "Service levels":
        row = service_stats(scopes(example_floor(figure)), NOW).all()[0]
        assert str(row.service_level) == result
    else:
        assert str(answers()[section][figure]) == result


def test_live_connect_is_in_the_interval_before_the_last() -> None:
    """The totals of the example's live connects are those on the page."""
    said = re.search(r"totals\s+are\s+([\d,\s*]+)\.", PAGE)
    assert said is not None
    rows = live_connects(scopes(example_floor()), NOW).live_connects
    assert [row.total for row in rows] == re.findall(r"\d+", said[1])


def test_every_figure_is_on_the_page() -> None:
    """Every member of every response, and every service level formula, is on the page."""
    names = {
        field.encode_name for struct in SHOWN for field in msgspec.structs.fields(struct)
    } | set(get_args(Formula))
    assert {name for name in names if f"`{name}`" not in PAGE} == {"id"} & names
