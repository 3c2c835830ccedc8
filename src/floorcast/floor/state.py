"""The complete state of a client's floor at one position in the log, which a snapshot stores.

Members may be added if they have a default, so that a release can read the snapshots of the one
before it. A snapshot consists of parts that are encoded one by one, so a large floor never blocks
other work for long.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Generator, Iterator
from itertools import islice
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct, field
from msgspec.structs import replace

from floorcast.floor.agent_sizes import share_long_texts
from floorcast.floor.agents import FloorAgent
from floorcast.floor.alerts import Alert
from floorcast.floor.calls import Call
from floorcast.floor.campaigns import Campaign
from floorcast.floor.counters import AgentDay, Counters
from floorcast.floor.directory import Directory
from floorcast.floor.intervals import ServiceIntervals
from floorcast.site.configuration import FloorConfig

__all__ = [
    "SNAPSHOT_VERSION",
    "FloorState",
    "decode_call",
    "encode_call",
    "from_snapshot",
    "snapshot_parts",
    "snapshot_steps",
]

SNAPSHOT_VERSION = 2
"""Increase this number if a release computes other figures from the same events than the last one.

At its first start, that release then folds the log again. See ``store/superseded.py``.
"""
_T = TypeVar("_T")
# msgpack: a map with a length of four bytes; the headers of maps of up to 15 and 65,535 members
_MAP_32, _SHORT_MAP, _SHORT_HEADER, _HEADER = b"\xdf", 16, 1, 3
# The number of items in a part, which takes about a millisecond to encode.
_PART = 200  # calls or counters
_AGENTS_PART = 50
_INTERVALS_PART = 25  # services: up to a megabyte
_TIMES_PART = 5_000  # connects or evicted calls
_NAMES_STEP = 2_000  # names, campaigns or services' counters


class FloorState(Struct):
    """One client's floor, folded up to and including entry ``entry``.

    ``recorded_at`` is that entry's time in ticks. For each service, ``connects`` holds the calls
    that were dispositioned as right-party contacts in the last half hour, with the time of each
    disposition in ms.
    ``config_entry`` is the entry of the configuration in force. ``alerts`` holds the alerts that
    have changed, by id. ``newest_event_at`` is when the newest event from a source was recorded, in
    ticks. ``quiet_calls`` holds the keys of the calls that were evicted before they ended, with
    the time of each eviction in ms.
    """

    client: int
    entry: int = 0
    recorded_at: int = 0
    config: FloorConfig = field(default_factory=FloorConfig, name="plan")  # as on disk
    directory: Directory = field(default_factory=Directory)
    counters: Counters = field(default_factory=Counters)
    agents: dict[int, FloorAgent] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    campaigns: dict[int, Campaign] = field(default_factory=dict)
    connects: dict[int, dict[str, int]] = field(default_factory=dict)
    config_entry: int = field(default=0, name="terms")
    alerts: dict[str, Alert] = field(default_factory=dict)
    newest_event_at: int = field(default=0, name="heard_at")
    quiet_calls: list[tuple[tuple[int, str], int]] = field(default_factory=list)


class _SnapshotPart(Struct, omit_defaults=True):
    """A part of a snapshot: some calls, agents, connects or quiet calls, or some counters of a day.

    The connects are those of one service. The counters are those of agents on one service, or the
    intervals of several services.
    """

    calls: list[Call] = field(default_factory=list)
    agents: list[FloorAgent] = field(default_factory=list)
    day: int = 0
    service: int = 0
    connects: dict[str, int] = field(default_factory=dict)
    quiet_calls: list[tuple[tuple[int, str], int]] = field(default_factory=list)
    agent_days: dict[int, AgentDay] = field(default_factory=dict)
    intervals: dict[int, ServiceIntervals] = field(default_factory=dict)


def _bytes_of(numbers: object) -> bytes:
    """Encode an array as its type code and its items, in little-endian order on every machine."""
    assert isinstance(numbers, array)
    if sys.byteorder == "big":
        numbers = array(numbers.typecode, numbers)
        numbers.byteswap()
    return numbers.typecode.encode() + numbers.tobytes()


def _array_of(_type: type, stored: bytes) -> array[int]:
    numbers: array[int] = array(chr(stored[0]), stored[1:])
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


_encoder = msgspec.msgpack.Encoder(enc_hook=_bytes_of)
_state_decoder = msgspec.msgpack.Decoder(FloorState, dec_hook=_array_of)
_part_decoder = msgspec.msgpack.Decoder(_SnapshotPart, dec_hook=_array_of)
_call_decoder = msgspec.msgpack.Decoder(Call)


def snapshot_parts(state: FloorState) -> Iterator[bytes]:
    """Yield the parts of a snapshot. Nothing may be folded until the last part is made."""
    return filter(None, snapshot_steps(state))


def snapshot_steps(state: FloorState) -> Iterator[bytes | None]:
    """Yield the parts of a snapshot, and None after a step that makes no part."""
    services = {service: dict[str, int]() for service in state.connects}
    counters = replace(state.counters, agent_days={}, intervals={})
    rest = replace(state, counters=counters, agents={}, calls=[], connects=services, quiet_calls=[])
    rest.directory, rest.counters = replace(state.directory), counters
    for owner, names in ((rest.directory, _NAMES), (counters, _COUNTERS), (rest, _CAMPAIGNS)):
        for name in names:
            encoded = yield from _encoded_in_steps(getattr(owner, name))
            setattr(owner, name, encoded)
    yield _encoder.encode(rest)
    for part in _parts(state):
        yield _encoder.encode(part)
    for part in _counter_parts(state.counters):
        yield _encoder.encode(part)


def from_snapshot(parts: list[bytes]) -> FloorState:
    """Return a snapshot's floor. Raises msgspec.MsgspecError if it cannot be decoded."""
    state = _state_decoder.decode(parts[0])
    for blob in parts[1:]:
        part = _part_decoder.decode(blob)
        state.calls.extend(part.calls)
        for agent in part.agents:
            share_long_texts(agent)  # now, because those of all agents could fill the memory
            state.agents[agent.id] = agent
        state.quiet_calls.extend(part.quiet_calls)
        if part.connects:
            state.connects[part.service].update(part.connects)
        if part.agent_days:
            services = state.counters.agent_days.setdefault(part.day, {})
            services.setdefault(part.service, {}).update(part.agent_days)
        if part.intervals:
            state.counters.intervals.setdefault(part.day, {}).update(part.intervals)
    return state


def encode_call(call: Call) -> bytes:
    """Encode a call for storage."""
    return _encoder.encode(call)


def decode_call(blob: bytes) -> Call:
    """Decode a stored call."""
    return _call_decoder.decode(blob)


_NAMES = (
    *("services", "agents", "campaigns", "teams"),
    *("service_keys", "agent_keys", "campaign_keys", "team_keys"),
    *("services_named", "agents_named", "campaigns_named", "teams_named"),
)
_COUNTERS, _CAMPAIGNS = ("totals",), ("campaigns",)


def _encoded_in_steps(members: dict[Any, Any]) -> Generator[None, None, Raw]:
    """Encode a dictionary as part of a larger struct, in steps."""
    content = bytearray(_MAP_32 + len(members).to_bytes(4, "big"))
    for pairs in _in_parts(iter(members.items()), _NAMES_STEP):
        some = _encoder.encode(dict(pairs))
        content += some[_SHORT_HEADER if len(pairs) < _SHORT_MAP else _HEADER :]
        yield
    return Raw(content)


def _parts(state: FloorState) -> Iterator[_SnapshotPart]:
    for calls in _in_parts(iter(state.calls)):
        yield _SnapshotPart(calls=calls)
    for agents in _in_parts(iter(state.agents.values()), _AGENTS_PART):
        yield _SnapshotPart(agents=agents)
    for service, connects in state.connects.items():
        for times in _in_parts(iter(connects.items()), _TIMES_PART):
            yield _SnapshotPart(service=service, connects=dict(times))
    for quiet_calls in _in_parts(iter(state.quiet_calls), _TIMES_PART):
        yield _SnapshotPart(quiet_calls=quiet_calls)


def _counter_parts(counters: Counters) -> Iterator[_SnapshotPart]:
    for day, services in counters.agent_days.items():
        for service, days in services.items():
            for pairs in _in_parts(iter(days.items())):
                yield _SnapshotPart(day=day, service=service, agent_days=dict(pairs))
    for day, intervals in counters.intervals.items():
        for some in _in_parts(iter(intervals.items()), _INTERVALS_PART):
            yield _SnapshotPart(day=day, intervals=dict(some))


def _in_parts(things: Iterator[_T], size: int = _PART) -> Iterator[list[_T]]:
    while part := list(islice(things, size)):
        yield part
