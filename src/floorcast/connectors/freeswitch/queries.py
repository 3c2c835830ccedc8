"""Queries FreeSWITCH's current state."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable

import msgspec
from msgspec import Struct

from floorcast.connectors.freeswitch.esl_connection import EslConnection
from floorcast.connectors.freeswitch.lists import Row, parse_list
from floorcast.connectors.freeswitch.snapshot import FreeswitchSnapshot
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.model.errors import Unavailable
from floorcast.model.undecodable import UNDECODABLE

__all__ = [
    "AGENTS",
    "CHANNELS",
    "CLOCK",
    "CORE",
    "TIERS",
    "core_uuid",
    "epoch",
    "subscribe",
    "take_snapshot",
]

AGENTS = "callcenter_config agent list"
TIERS = "callcenter_config tier list"
QUEUES = "callcenter_config queue list"
CHANNELS = "show channels as json"
CORE = "global_getvar core_uuid"
CLOCK = "strepoch"
MAX_PENDING_COMMANDS = 100  # commands that are sent before the first reply
EVENTS = "CHANNEL_HOLD CHANNEL_UNHOLD CHANNEL_HANGUP_COMPLETE HEARTBEAT CUSTOM callcenter::info"
SESSION_UUID = re.compile(r"[\w.:@-]{1,128}", re.ASCII)


class _Channel(Struct):
    uuid: str = ""
    callstate: str = ""


class _Channels(Struct):
    rows: list[_Channel] = []


async def subscribe(connection: EslConnection, config: MappingConfig) -> None:
    """Subscribe to all relevant events. Raises Unavailable if a permission is missing."""
    # words after CUSTOM are subclasses
    reply = await connection.send_command(
        f"event json {EVENTS} {config.disposition_event}".rstrip()
    )
    if not reply.startswith("+OK"):
        raise Unavailable(
            f"FreeSWITCH refuses the events {EVENTS}: {reply}; grant the user the right to receive"
            " them (esl-allowed-events)"
        )


async def core_uuid(connection: EslConnection) -> str:
    """Return FreeSWITCH's Core-UUID, or an empty string if it is unknown."""
    reply = (await connection.send_command(f"api {CORE}")).strip()
    return reply if SESSION_UUID.fullmatch(reply) else ""


async def epoch(connection: EslConnection) -> int | None:
    """Return FreeSWITCH's time in whole seconds, or None if it is unknown."""
    reply = (await connection.send_command(f"api {CLOCK}")).strip()
    return int(reply) if reply.isascii() and reply.isdigit() and len(reply) <= 10 else None


async def take_snapshot(
    connection: EslConnection,
    callers: Iterable[str],
    at: float,
    last_at: float,
    on_reply: Callable[[str, str], None] | None = None,
) -> FreeswitchSnapshot:
    """Return FreeSWITCH's current state, including which callers still exist.

    ``at`` and ``last_at`` are as in ``FreeswitchSnapshot``. ``on_reply`` is called with each list's
    command and reply. Raises Unavailable if a permission is missing.
    """

    async def rows(command: str) -> list[Row]:
        reply = await connection.send_command(f"api {command}")
        if on_reply is not None:
            on_reply(command, reply)
        return parse_list(reply, command)

    agents, tiers, queues = [await rows(command) for command in (AGENTS, TIERS, QUEUES)]
    members = [
        row
        for batch in _batches([row["name"] for row in queues if row.get("name")])
        for found in await asyncio.gather(*(rows(_members_of(name)) for name in batch))
        for row in found
    ]
    sessions = {row.get("session_uuid", "") for row in members} | set(callers)
    existing, ended = await _query_sessions(connection, sessions)
    return FreeswitchSnapshot(
        at=at,
        last_at=last_at,
        agents=agents,
        tiers=tiers,
        queues=queues,
        members=members,
        existing=existing,
        ended=ended,
        channels=await _channels(connection),
    )


async def _query_sessions(
    connection: EslConnection, sessions: set[str]
) -> tuple[set[str], set[str]]:
    """Return the sessions that exist and the sessions that do not."""
    exists: dict[str, bool] = {}
    for batch in _batches(sorted(one for one in sessions if SESSION_UUID.fullmatch(one))):
        replies = await asyncio.gather(
            *(connection.send_command(f"api uuid_exists {one}") for one in batch)
        )
        for session, reply in zip(batch, replies, strict=True):
            if reply.strip() not in {"true", "false"}:
                raise Unavailable(f"FreeSWITCH refuses 'uuid_exists': {reply.strip()[:200]}")
            exists[session] = reply.strip() == "true"
    return {one for one in exists if exists[one]}, {one for one in exists if not exists[one]}


async def _channels(connection: EslConnection) -> dict[str, str]:
    """Return the callstate of each channel, or an empty dict if the right is missing."""
    reply = await connection.send_command(f"api {CHANNELS}")
    try:
        found = msgspec.json.decode(reply, type=_Channels)
    except UNDECODABLE:
        return {}
    return {one.uuid: one.callstate for one in found.rows}


def _members_of(queue: str) -> str:
    quoted = f"'{queue}'" if " " in queue else queue
    return f"callcenter_config queue list members {quoted}"


def _batches(names: list[str]) -> Iterable[list[str]]:
    return (
        names[at : at + MAX_PENDING_COMMANDS] for at in range(0, len(names), MAX_PENDING_COMMANDS)
    )
