"""Tests that the schemas of responses describe what the server sends."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any, get_args

import jsonschema_rs
import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from floorcast.feeds.filters import Filter, matcher
from floorcast.floor.view import FloorView
from floorcast.model.inbound import InboundEvent
from floorcast.site.configuration import Agent, CallCenter, FloorConfig, Service
from floorcast.statistics.agent_averages import agent_averages, averages_answer
from floorcast.statistics.agent_stats import agent_statistics, agent_statistics_ex
from floorcast.statistics.agent_status import agent_status
from floorcast.statistics.figure_calls import FigureCalls, FigureSelection
from floorcast.statistics.requests import Figure
from floorcast.statistics.service_intervals import IntervalSpan, service_intervals
from floorcast.statistics.service_stats import service_stats
from floorcast.statistics.waiting_calls import waiting_calls
from tests.floor.random_floors import agent, agent_events, call, call_events, fold_all, new_floor
from tests.http.openapi.whole_document import DOCUMENT
from tests.search import tries
from tests.statistics.floors import moment_at, visible
from tests.statistics.moving_calls import HIDDEN, SEEN, moving_calls

PLAN = FloorConfig(
    feeds=("agent", "interaction"),
    time_zone="America/New_York",
    call_centers=(CallCenter(id=1, name="North"), CallCenter(id=2, name="South")),
    services=(
        Service(id=SEEN, name="Sales", call_center=1),
        Service(id=HIDDEN, name="Hidden", call_center=2),
    ),
    agents=(Agent(id=7, login="ANN"), Agent(id=8, login="BOB", name="Bob")),
)
SCHEMAS = DOCUMENT["components"]["schemas"]
SKILLS = st.builds(lambda skill: agent("READY", 1, "BOB", skill=skill), st.sampled_from("ab"))
STORIES = (
    st.lists(call_events() | agent_events() | SKILLS, min_size=8, max_size=25)
    | moving_calls()
)  # fmt: skip
Row = tuple[str, dict[str, Any]]
SHAPED_LIKE_ROWS = (
    "AgentDetails", "AgentStatistics", "AgentServices", "CallDispositionEvent", "CallStartEvent",
    "CallTerminationEvent", "FigureCall", "OutboundCall", "ServiceFigures", "WaitingCall",
)  # fmt: skip


UNSTARTED = {"transactionId": 3, "sessionId": "S3"}
RARE = [
    call("call.end", 5, 1),
    call("call.start", 6, 2, service="Elsewhere", direction="INBOUND"),
    call("call.end", 9, 2),
    agent("IN_CALL", 10, service=SEEN, call={**UNSTARTED, "direction": "MANUAL"}),
]
NEVER_NULL = {
    "CallStartEvent.callDirection",  # required of the source, but not of the model of a call
    "CallStartEvent.serviceId",  # the same
    "FigureCall.wait",  # null only for a step that a very long call has dropped
}


def strict(name: str) -> jsonschema_rs.Validator:
    """Return a validator of a type, which refuses members that its schema does not have."""
    schemas = {
        one: {**of, "additionalProperties": False} if "properties" in of else of
        for one, of in SCHEMAS.items()
    }
    whole = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
    return jsonschema_rs.validator_for(whole)


VALIDATORS = {name: strict(name) for name in SCHEMAS}


def rows_of(story: list[InboundEvent], *, limited: bool) -> Iterator[Row]:
    """Yield the rows and events that a user gets, with the names of their types."""
    floor = new_floor(PLAN)
    fed = [one for one in fold_all(floor, story) if one is not None]
    scopes = visible(floor, limits=frozenset({(1, 1)}) if limited else None).scopes()
    moment = moment_at(400)
    rows: list[Any] = [
        *service_stats(scopes, moment).all(),
        *service_intervals(scopes, moment, IntervalSpan()).all(),
        *waiting_calls(scopes, moment).all(),
        *agent_statistics(scopes, moment).all(),
        *agent_statistics_ex(scopes, moment).all(),
        *agent_status(scopes, moment, changed_after=1).all(),
        averages_answer(agent_averages(scopes, moment).all(), moment),
    ]
    for figure in get_args(Figure):
        selection = FigureSelection(SEEN, figure, FloorView(floor).day_of(moment.now).number)
        with closing(FigureCalls(scopes[0], moment, selection, None)) as page:
            for _ in page:
                pass
        rows += page.calls
    for row in rows:
        yield type(row).__name__, json.loads(msgspec.json.encode(row))
    sees = matcher(Filter(), frozenset({1}) if limited else None)
    for one in fed:
        facets = (one.kind, one.service, one.call_center)
        if sees(facets):
            shown = sees.shown(msgspec.json.encode(one.event), facets)
            yield type(one.event).__name__, json.loads(shown)


def nested(name: str, row: dict[str, Any]) -> Iterator[Row]:
    """Yield a row and the rows in it."""
    yield name, row
    inner = {"ServiceStatistics": ("calls", "OutboundCall"),
             "AgentServices": ("services", "ServiceFigures")}  # fmt: skip
    if name in inner:
        member, kind = inner[name]
        for one in row[member]:
            yield kind, one


def declared_null(name: str) -> Iterator[str]:
    """Yield the members of a type that its schema allows to be null."""
    for member, of in SCHEMAS[name]["properties"].items():
        if {"type": "null"} in of.get("anyOf", ()) or None in of.get("enum", ()):
            yield member


def note(rows: Iterable[Row], found: defaultdict[str, set[str]]) -> None:
    """Note which members were null, and which were absent."""
    for name, row in rows:
        for member in SCHEMAS[name]["properties"]:
            if row.get(member, "") is None:
                found[name].add(member)
            elif member not in row:
                found[name].add(f"no {member}")


def test_answers_have_the_members_that_the_schema_declares() -> None:
    """Every answer fits its schema; what can be null or absent sometimes is."""
    found = defaultdict[str, set[str]](set)

    @settings(max_examples=tries(150), database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(STORIES, st.booleans())
    @example(RARE, False)
    def check(story: list[InboundEvent], limited: bool) -> None:
        for name, row in rows_of(story, limited=limited):
            VALIDATORS[name].validate(row)
            note(nested(name, row), found)

    check()
    never = {
        f"{name}.{member}"
        for name in SHAPED_LIKE_ROWS
        for member in declared_null(name)
        if member not in found[name]
    }
    absent = {
        f"{name}.{member}"
        for name in SHAPED_LIKE_ROWS
        for member in SCHEMAS[name]["properties"]
        if member not in SCHEMAS[name]["required"] and f"no {member}" not in found[name]
    }
    assert (never - NEVER_NULL, absent) == (set(), set())
