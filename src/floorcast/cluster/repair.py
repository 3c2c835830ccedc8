"""``floorcast cluster repair``: restores what a cluster's streams have lost.

A folder that is ahead of the streams becomes the reference. Lost streams are created again. Each
damaged stream gets a new generation, and the folder continues from the messages that were stored
after the loss. The other nodes see the new generation and copy the reference. Messages that the
damaged streams stored after the loss are kept: the reference follows them, and drops duplicate
events.

A folder of an older generation can have entries that the reference did not have. Its entries since
the loss are published again, and the log drops events that it already has.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from floorcast.cluster import log_messages
from floorcast.cluster.folder_conversion import continue_from, read_cluster_folder
from floorcast.cluster.link import COMMAND_TIMEOUT_SECONDS, NatsLink
from floorcast.cluster.log_messages import split_batch, stream_number, subject
from floorcast.cluster.migrate import open_folder
from floorcast.cluster.ordered_consumer import OrderedConsumer
from floorcast.cluster.peers import query_peers
from floorcast.cluster.store_repair import repair_store
from floorcast.cluster.stream_checks import Mismatch, check_message
from floorcast.cluster.stream_messages import message_time
from floorcast.cluster.streams import (
    GENERATION,
    KV_STREAM,
    LOST_SINCE,
    RESTORED,
    STREAMS_CREATED,
    StreamState,
    create_stream,
    find_stream,
    log_config,
    parse_state,
    update_metadata,
)
from floorcast.config.settings import Settings
from floorcast.log.folder_copy import FolderContents
from floorcast.log.log_file import StreamPosition
from floorcast.log.log_reader import LogReader
from floorcast.log.port import Batch, Entry
from floorcast.model.errors import SettingError
from floorcast.model.inbound import read_lines
from floorcast.model.token import TICKS_PER_SECOND

__all__ = ["RepairResult", "repair"]

PLAN_FILE: Final = "repair.json"
CLOCK_SLACK: Final = 60 * TICKS_PER_SECOND  # maximum difference between the servers' clocks
READ_ENTRIES: Final = 64


class RepairResult(NamedTuple):
    """The result of a repair: the repaired streams, and the numbers of restored keys and events."""

    streams: list[str]
    keys: int
    events: int


class _RepairPlan(Struct):
    """A repair in progress, stored in the folder: the positions to continue from."""

    generation: str
    positions: dict[str, int]


async def repair(
    settings: Settings, on_entry: Callable[[int, int], None] = lambda _done, _all: None
) -> RepairResult:
    """Restore data that the folder has and the cluster lacks.

    A repair can be repeated after an interruption. ``on_entry`` receives how many of the folder's
    entries are done, and how many there are. Raises SettingError if the folder is in use or is not
    a complete copy of this cluster's log, or if another node that responds has more.
    """
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(open_folder(settings)).path
        copy = read_cluster_folder(folder)
        link = await NatsLink.open(
            settings.log, "floorcast cluster repair", patience=COMMAND_TIMEOUT_SECONDS
        )
        stack.push_async_callback(link.close)
        keys = await repair_store(link, settings, folder, copy)
        infos = {name: await find_stream(link, name) for name in copy.followed_log.streams}
        states = {name: None if info is None else parse_state(info) for name, info in infos.items()}
        _check_identity(states, copy)
        if not (folder / PLAN_FILE).exists() and (
            repaired_streams := _find_repaired_streams(states, copy)
        ):
            events = await _republish(link, folder, copy, repaired_streams, on_entry)
            return RepairResult([], keys, events)
        damaged = await _damaged(link, states, copy)
        if not damaged and not (folder / PLAN_FILE).exists():
            return RepairResult([], keys, 0)
        await _check_most_complete(link, copy)
        plan = await _load_or_make_plan(
            link, folder, copy, {name: states[name] for name in damaged}
        )
        await _apply_plan(link, folder, copy, plan, settings.replicas)
        return RepairResult(sorted(plan.positions), keys, 0)


def _check_identity(states: Mapping[str, StreamState | None], copy: FolderContents) -> None:
    for state in states.values():
        if state is not None and state.identity != copy.followed_log.identity:
            raise SettingError(
                f"log: {state.name} belongs to another log than this folder. If the cluster began "
                "a new log after it had lost this one, remove the new streams first: "
                f"nats stream rm {state.name}"
            )


def _find_repaired_streams(
    states: Mapping[str, StreamState | None], copy: FolderContents
) -> list[StreamState]:
    """Return the streams that were repaired from another folder after this one followed them."""
    return [
        state
        for name, state in states.items()
        if state is not None and state.generation != copy.stream_positions[name].generation
    ]


async def _damaged(
    link: NatsLink, states: Mapping[str, StreamState | None], copy: FolderContents
) -> list[str]:
    damaged = []
    for name, state in states.items():
        try:
            if state is None:
                damaged.append(name)
            else:
                await check_message(link, state, copy.stream_positions[name])
        except Mismatch:
            damaged.append(name)
    return damaged


async def _check_most_complete(link: NatsLink, copy: FolderContents) -> None:
    for peer in await query_peers(link):
        if peer.log != copy.followed_log.identity:
            continue
        if not peer.halted:
            raise SettingError(f"log: stop every node first; {peer.name} still follows the log")
        for peer_position in peer.following:
            position = copy.stream_positions.get(peer_position.stream)
            if position is not None and peer_position.seq > position.seq:
                raise SettingError(
                    f"data: {peer.name} has {position.stream} up to message {peer_position.seq}, "
                    f"this folder up to {position.seq}: repair from the folder of {peer.name}"
                )


async def _load_or_make_plan(
    link: NatsLink, folder: Path, copy: FolderContents, damaged: Mapping[str, StreamState | None]
) -> _RepairPlan:
    path = folder / PLAN_FILE
    if path.exists():
        return msgspec.json.decode(path.read_bytes(), type=_RepairPlan)
    positions = {}
    for name, state in damaged.items():
        position = copy.stream_positions[name]
        positions[name] = (
            position.seq if state is None else await _last_before_loss(link, state, position)
        )
    plan = _RepairPlan(uuid.uuid4().hex, positions)
    path.write_bytes(msgspec.json.encode(plan))
    return plan


async def _last_before_loss(link: NatsLink, state: StreamState, position: StreamPosition) -> int:
    """Return the last message before those that the stream stored after the loss.

    The messages after the loss are newer than the folder.
    """
    after = datetime.fromtimestamp((position.recorded_at - CLOCK_SLACK) / TICKS_PER_SECOND, UTC)
    start = after.strftime("%Y-%m-%dT%H:%M:%SZ")
    consumer = OrderedConsumer(
        link, state.name, {"deliver_policy": "by_start_time", "opt_start_time": start}
    )
    try:
        await consumer.open()
        async for delivery in consumer.deliveries():
            return delivery.messages[0].seq - 1 if delivery.messages else state.last_seq
    finally:
        await consumer.close()
    return state.last_seq


async def _apply_plan(
    link: NatsLink, folder: Path, copy: FolderContents, plan: _RepairPlan, replicas: int
) -> None:
    identity, count = copy.followed_log.identity, len(copy.followed_log.streams)
    for number, name in enumerate(copy.followed_log.streams):
        if name not in plan.positions:
            continue
        info = await find_stream(link, name)
        lost_from = 0 if info is None else await message_time(link, name, plan.positions[name])
        repaired = {
            GENERATION: plan.generation,
            RESTORED: str(link.clock()),
            LOST_SINCE: str(lost_from),
        }
        if info is None:
            first = plan.positions[name] + 1
            config = log_config(number, count, replicas, identity, first=first, repaired=repaired)
            await create_stream(link, config)
        elif parse_state(info).generation != plan.generation:
            await update_metadata(link, name, repaired)
    await update_metadata(link, KV_STREAM, {STREAMS_CREATED: "1"})
    continue_from(
        folder,
        [
            StreamPosition(name, seq, generation=plan.generation)
            for name, seq in plan.positions.items()
        ],
    )
    (folder / PLAN_FILE).unlink()


async def _republish(
    link: NatsLink,
    folder: Path,
    copy: FolderContents,
    repaired_streams: list[StreamState],
    on_entry: Callable[[int, int], None],
) -> int:
    """Publish the folder's entries since the loss again, and return the number of their events."""
    streams = {state.name: state for state in repaired_streams}
    identity, count, events = copy.followed_log.identity, len(copy.followed_log.streams), 0
    for entry in _entries(folder, on_entry):
        name = log_messages.stream_name(stream_number(entry.client, count))
        if name not in streams or entry.kind != "events":
            continue
        if entry.recorded_at < streams[name].lost_since - CLOCK_SLACK:
            continue
        lines = entry.payload.split(b"\n")
        batch = Batch(entry.client, lines, read_lines(entry.payload))
        for number, piece in enumerate(split_batch(batch, link.client.max_payload)):
            headers = {
                log_messages.KIND: "events",
                log_messages.ID: f"{identity}-{entry.client}-{entry.number}-{number}",
                log_messages.TIME: str(link.clock()),
            }
            await link.publish(subject(entry.client, count), piece.payload, headers)
        events += entry.count
    return events


def _entries(folder: Path, on_entry: Callable[[int, int], None]) -> Iterator[Entry]:
    reader = LogReader(folder / "log.db")
    try:
        streams = reader.streams()
        total, done = sum(map(reader.stored_count, streams)), 0
        for stream in streams:
            after = 0
            while entries := reader.read(stream, after, READ_ENTRIES):
                yield from entries
                after = entries[-1].number
                done += len(entries)
                on_entry(done, total)
    finally:
        reader.close()
