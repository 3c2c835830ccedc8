"""Tests of the tables that ``--check`` prints."""

from __future__ import annotations

import asyncio

from floorcast.connectors.freeswitch.check import check_esl
from floorcast.connectors.pbx.check_tables import MISSING_RIGHTS, CheckTable
from floorcast.connectors.pbx.config import MappingConfig
from tests.connectors.freeswitch.dialogues import (
    ANNA,
    BOB,
    SALES,
    SUPPORT,
    Caller,
    agent_row,
    tier_row,
)
from tests.connectors.freeswitch.fake_esl import serving

CONFIG = MappingConfig(services={SALES: "Sales"}, agents={ANNA: "anna.b"})


def check_tables(*denied: str) -> list[CheckTable]:
    """Return the tables for two queues, two agents, and two callers, one of whom is gone."""

    async def main() -> list[CheckTable]:
        async with serving() as esl:
            here, ended = Caller("u"), Caller("v")
            esl.denied = set(denied)
            esl.agents = [agent_row(ANNA, wrap_up_time="10"), agent_row(BOB, "Logged Out")]
            esl.tiers = [tier_row(ANNA), tier_row(ANNA, SUPPORT)]
            esl.queues = [{"name": SALES, "strategy": "ring-all"}, {"name": SUPPORT}]
            esl.members = [here.row(93), ended.row(9, "Trying", ANNA)]
            esl.sessions = {"u"}
            return await check_esl(esl.address(), CONFIG, 100.0)

    return asyncio.run(main())


def test_queues_agents_and_calls_are_listed() -> None:
    """The tables have the names that the wallboard will show. Stale rows are counted."""
    queues, agents, calls, left_out = check_tables()
    assert queues[2] == [
        (SALES, "Sales", "ring-all", "1", "1"),
        (SUPPORT, SUPPORT, "longest-idle-agent", "1", "0"),
    ]
    assert agents[2] == [
        (ANNA, "anna.b", "Available", "Waiting", "10", f"{SALES}, {SUPPORT}"),
        (BOB, BOB, "Logged Out", "Waiting", "0", "none: never logged in"),
    ]
    assert calls[2] == [("u", SALES, "Waiting", "", "7")]
    assert left_out[2] == [("1", "their sessions do not exist")]


def test_missing_rights_are_named() -> None:
    """The last table names the missing rights and the data that stays unknown without each."""
    title, _, rows = check_tables("event", "show", "global_getvar", "strepoch")[-1]
    assert title == MISSING_RIGHTS
    assert [row[0] for row in rows] == [
        "events",
        "show channels as json",
        "global_getvar core_uuid",
        "strepoch",
    ]
