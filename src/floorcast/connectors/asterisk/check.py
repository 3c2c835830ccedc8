"""Implements ``floorcast connect asterisk --check``, which shows what the connector would see."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence

from floorcast.connectors.asterisk.ami_connection import AmiAddress, AmiConnection
from floorcast.connectors.asterisk.connector import take_snapshot
from floorcast.connectors.asterisk.frames import AmiFrame
from floorcast.connectors.asterisk.snapshot import AsteriskSnapshot
from floorcast.connectors.pbx.check_tables import MISSING_RIGHTS, CheckTable
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.unreadable import Unreadable

__all__ = ["check_ami", "tables_of"]

BOOT_SECONDS = 2.0  # users with the ``system`` right receive FullyBooted just after the login
DEVICE_STATES = {
    "0": "unknown",
    "1": "free",
    "2": "in use",
    "3": "busy",
    "4": "invalid",
    "5": "unavailable",
    "6": "ringing",
    "7": "ringing, in use",
    "8": "on hold",
}


async def check_ami(address: AmiAddress, config: MappingConfig, now: float) -> list[CheckTable]:
    """Query Asterisk and return the tables to print.

    If the user lacks rights, the last table lists them. Raises Unavailable or BadCredentials.
    """

    async def ignore(_frame: AmiFrame | Unreadable) -> None:
        return

    connection = AmiConnection(address, ignore)
    read_task = await connection.open()
    try:
        snapshot = await take_snapshot(connection, now)
        missing = []
        try:
            async with asyncio.timeout(BOOT_SECONDS):
                await connection.has_booted.wait()
        except TimeoutError:
            missing.append(("read", "system", "Asterisk restarts are detected later"))
    finally:
        await connection.close(read_task)
    found = tables_of(snapshot, config)
    return [*found, (MISSING_RIGHTS, ("", "right", "without it"), missing)] if missing else found


def tables_of(snapshot: AsteriskSnapshot, config: MappingConfig) -> list[CheckTable]:
    """Return the contents of a snapshot as tables: queues, members and waiting calls."""
    members: Counter[str] = Counter(one.get("Queue", "") for one in snapshot.members)
    waiting: Counter[str] = Counter(one.get("Queue", "") for one in snapshot.entries)
    queues = sorted(members.keys() | waiting.keys())
    by_agent: defaultdict[str, list[AmiFrame]] = defaultdict(list)
    for one in snapshot.members:
        by_agent[one.get("Name") or one.get("Location", "")].append(one)
    return [
        (
            "Queues",
            ("queue", "service", "members", "waiting"),
            [(q, config.service(q), str(members[q]), str(waiting[q])) for q in queues],
        ),
        (
            "Members",
            ("member", "agent", "interface", "queues", "device", "paused"),
            [_member(name, frames, config) for name, frames in sorted(by_agent.items())],
        ),
        (
            "Waiting callers",
            ("caller", "queue", "seconds"),
            [
                (one.get("Uniqueid", ""), one.get("Queue", ""), one.get("Wait", ""))
                for one in snapshot.entries
            ],
        ),
    ]


def _member(name: str, frames: Sequence[AmiFrame], config: MappingConfig) -> Sequence[str]:
    paused = [one for one in frames if one.get("Paused") == "1"]
    return (
        name,
        config.agents.get(name, name),
        frames[0].get("Location", ""),
        ", ".join(one.get("Queue", "") for one in frames),
        DEVICE_STATES.get(frames[0].get("Status", ""), "unknown"),
        "all" if len(paused) == len(frames) else ", ".join(one.get("Queue", "") for one in paused),
    )
