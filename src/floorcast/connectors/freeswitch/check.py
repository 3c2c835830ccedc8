"""Implements ``floorcast connect freeswitch --check``, which shows what the connector would see."""

from __future__ import annotations

from collections import Counter, defaultdict

from floorcast.connectors.freeswitch.esl_connection import EslAddress, EslConnection
from floorcast.connectors.freeswitch.frames import EslFrame
from floorcast.connectors.freeswitch.lists import number_in
from floorcast.connectors.freeswitch.queries import (
    CHANNELS,
    CLOCK,
    CORE,
    subscribe,
    take_snapshot,
)
from floorcast.connectors.freeswitch.snapshot import IN_QUEUE_STATES, FreeswitchSnapshot
from floorcast.connectors.pbx.check_tables import MISSING_RIGHTS, CheckTable
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.unreadable import Unreadable
from floorcast.model.errors import Unavailable

__all__ = ["check_esl", "tables_of"]

OPTIONAL = {
    CHANNELS: "missed holds stay unknown",
    CORE: "FreeSWITCH restarts are detected later",
    CLOCK: "FreeSWITCH's time is unknown until the first event",
}
"""The connector's optional queries, and the effect if a query is not allowed."""


async def check_esl(address: EslAddress, config: MappingConfig, now: float) -> list[CheckTable]:
    """Query FreeSWITCH and return the tables to print.

    If rights are missing, the last table lists them. Raises Unavailable or BadCredentials.
    """

    async def ignore(_frame: EslFrame | Unreadable) -> None:
        return

    connection = EslConnection(address, ignore)
    read_task = await connection.open()
    try:
        snapshot = await take_snapshot(connection, (), now, now)
        missing = []
        try:
            await subscribe(connection, config)
        except Unavailable as error:
            missing.append(("events", error.message))
        for command, without in OPTIONAL.items():
            reply = await connection.send_command(f"api {command}")
            if reply.startswith("-"):
                missing.append((command, without))
    finally:
        await connection.close(read_task)
    found = tables_of(snapshot, config)
    return [*found, (MISSING_RIGHTS, ("right", "without it"), missing)] if missing else found


def tables_of(snapshot: FreeswitchSnapshot, config: MappingConfig) -> list[CheckTable]:
    """Return the contents of a snapshot as tables: queues, agents and calls in queues."""
    in_queue = [row for row in snapshot.members if row.get("state") in IN_QUEUE_STATES]
    calls = [row for row in in_queue if row.get("session_uuid") in snapshot.existing]
    tiers: Counter[str] = Counter(row.get("queue", "") for row in snapshot.tiers)
    waiting: Counter[str] = Counter(
        row.get("queue", "") for row in calls if row["state"] != "Answered"
    )
    queues: defaultdict[str, list[str]] = defaultdict(list)
    for row in snapshot.tiers:
        queues[row.get("agent", "")].append(row.get("queue", ""))
    return [
        (
            "Queues",
            ("queue", "service", "strategy", "agents", "waiting"),
            [
                (name, config.service(name), row.get("strategy", ""), str(tiers[name]),
                 str(waiting[name]))
                for row in snapshot.queues
                for name in [row.get("name", "")]
            ],
        ),
        (
            "Agents",
            ("name", "agent", "status", "state", "wrap-up", "queues"),
            [
                (name, config.agents.get(name, name), row.get("status", ""), row.get("state", ""),
                 row.get("wrap_up_time", ""), ", ".join(queues[name]) or "none: never logged in")
                for row in snapshot.agents
                for name in [row.get("name", "")]
            ],
        ),
        (
            "Calls",
            ("session", "queue", "state", "agent", "seconds"),
            [
                (row["session_uuid"], row.get("queue", ""), row["state"],
                 row.get("serving_agent", ""),
                 str(max(0, round(snapshot.at - number_in(row, "joined_epoch")))))
                for row in calls
            ],
        ),
        *_stale_table(len(in_queue) - len(calls)),
    ]  # fmt: skip


def _stale_table(count: int) -> list[CheckTable]:
    """Return a table with the number of callers who are gone but still have rows.

    mod_callcenter may keep such rows for hours.
    """
    if not count:
        return []
    return [("Left out", ("callers", "why"), [(str(count), "their sessions do not exist")])]
