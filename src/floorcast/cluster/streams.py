"""The cluster's JetStream streams: the log's streams and the key-value store's stream.

Each stream stores the identity of its log and a generation, which ``floorcast cluster repair``
changes. Nodes create the streams of a new log. If a stream is missing later, it has been lost.
Nodes never recreate a lost stream; only ``floorcast cluster repair`` does.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import structlog

from floorcast.cluster.jetstream_responses import RequestRefused
from floorcast.cluster.link import NatsLink
from floorcast.cluster.log_messages import stream_name, subject_pattern
from floorcast.log.log_file import FollowedLog
from floorcast.log.port import RETENTION
from floorcast.model.errors import SettingError, Unavailable

__all__ = [
    "GENERATION",
    "KV_PREFIX",
    "KV_STREAM",
    "LOST_SINCE",
    "REPAIR",
    "RESTORED",
    "STREAMS_CREATED",
    "LogStreams",
    "StreamState",
    "are_streams_created",
    "create_stream",
    "find_stream",
    "is_stream_missing",
    "kv_config",
    "log_config",
    "mark_streams_created",
    "new_identity",
    "open_log_streams",
    "parse_state",
    "set_identity",
    "update_metadata",
]

KV_STREAM: Final = "KV_FLOORCAST"
KV_PREFIX: Final = "$KV.FLOORCAST"

# messages outlive entries, because a node may lag
MAX_AGE_TICKS: Final = RETENTION + 2 * 3600 * 10_000_000
DUPLICATE_WINDOW_NS: Final = 120_000_000_000  # how long a repeated message is recognized by its id

# JetStream's own codes
TOO_FEW_SERVERS, NOT_A_CLUSTER, NAME_IN_USE, NOT_FOUND = 10005, 10074, 10058, 10059

# The keys of a stream's metadata
IDENTITY: Final = "floorcast_log"
COUNT: Final = "floorcast_streams"
GENERATION: Final = "floorcast_generation"
RESTORED: Final = "floorcast_restored"  # ticks: when a loss was last repaired
LOST_SINCE: Final = "floorcast_cut"  # ticks: messages after this time may have been lost
STREAMS_CREATED: Final = (
    "floorcast_whole"  # on the key-value store: all of the log's streams were created
)

REPAIR: Final = "stop the nodes and run 'floorcast cluster repair' on the most complete folder"

_log = structlog.stdlib.get_logger(__name__)


class StreamState(NamedTuple):
    """The state of a stream. ``streams`` is the log's number of streams.

    ``restored_at`` is the tick at which the stream was last repaired, and ``lost_since`` the tick
    at which the repaired loss began.
    """

    name: str
    identity: str
    generation: str
    restored_at: int
    lost_since: int
    streams: int
    replicas: int
    first_seq: int
    last_seq: int


class LogStreams(NamedTuple):
    """The log's streams, and the number of replicas of each stream."""

    followed_log: FollowedLog
    replicas: int


def parse_state(info: Mapping[str, Any]) -> StreamState:
    """Return the state in a ``STREAM.INFO`` response."""
    config, state = info["config"], info["state"]
    metadata = config.get("metadata") or {}
    return StreamState(
        config["name"],
        metadata.get(IDENTITY, ""),
        metadata.get(GENERATION, ""),
        int(metadata.get(RESTORED, 0)),
        int(metadata.get(LOST_SINCE, 0)),
        int(metadata.get(COUNT, 0)),
        config["num_replicas"],
        state["first_seq"],
        state["last_seq"],
    )


async def find_stream(link: NatsLink, name: str) -> dict[str, Any] | None:
    """Return the stream's ``STREAM.INFO``, or None if it does not exist. Raises Unavailable."""
    try:
        return await link.api(f"STREAM.INFO.{name}")
    except RequestRefused as error:
        if error.code == NOT_FOUND:
            return None
        raise


def is_stream_missing(error: RequestRefused) -> bool:
    """Return whether JetStream responded that the stream does not exist."""
    return error.code == NOT_FOUND


async def create_stream(link: NatsLink, config: Mapping[str, Any]) -> dict[str, Any]:
    """Create a stream, or find it if another node has just created it.

    With a single server, the stream gets one replica. Raises Unavailable if there are fewer servers
    than replicas, and SettingError if the stream cannot be created for another reason.
    """
    name, replicas = config["name"], config["num_replicas"]
    try:
        return await link.api(f"STREAM.CREATE.{name}", config)
    except RequestRefused as error:
        if error.code == NOT_A_CLUSTER:
            _log.warning("one_server_one_copy", stream=name, replicas_wanted=replicas)
            return await create_stream(link, {**config, "num_replicas": 1})
        if error.code == TOO_FEW_SERVERS:
            raise Unavailable(
                f"{name} cannot have {replicas} replicas: start more servers of the NATS "
                f"cluster, or set a lower number with --replicas ({error})"
            ) from error
        if error.code != NAME_IN_USE:
            raise SettingError(f"log: {name} cannot be created: {error}") from error
        return await link.api(f"STREAM.INFO.{name}")


async def open_log_streams(
    link: NatsLink,
    count: int,
    replicas: int,
    identity: str,
    *,
    first: int = 1,
    create_missing: bool = True,
) -> LogStreams:
    """Return the log's ``count`` streams. If ``create_missing`` is True, create missing ones.

    A new stream gets ``replicas`` replicas, and numbers its messages from ``first``. Raises
    SettingError if the cluster has another log or another number of streams, or has lost a stream.
    Raises Unavailable if the cluster does not respond.
    """
    for number in range(count):
        name = stream_name(number)
        info = await find_stream(link, name)
        if info is None:
            if not create_missing:
                raise SettingError(f"log: the cluster has lost the stream {name}: {REPAIR}")
            info = await create_stream(
                link, log_config(number, count, replicas, identity, first=first)
            )
        found = parse_state(info)
        _check(found, identity, count)
        replicas = found.replicas
        link.watch(name)
    return LogStreams(
        FollowedLog(identity, [stream_name(number) for number in range(count)]), replicas
    )


def _check(found: StreamState, identity: str, count: int) -> None:
    if not found.identity:
        raise SettingError(f"log: {found.name} was not made by floorcast")
    if found.identity != identity:
        raise SettingError(
            f"log: {found.name} belongs to another log ({found.identity}) than the key-value "
            f"store or this folder ({identity})"
        )
    if found.streams != count:
        raise SettingError(
            f"streams: the cluster's log has {found.streams} streams, {count} were given; "
            "the number cannot be changed after the log is created"
        )


async def mark_streams_created(link: NatsLink) -> None:
    """Record on the key-value store's stream that all of the log's streams have been created."""
    await update_metadata(link, KV_STREAM, {STREAMS_CREATED: "1"})


async def set_identity(link: NatsLink, identity: str) -> None:
    """Record on the key-value store's stream which log it belongs to."""
    await update_metadata(link, KV_STREAM, {IDENTITY: identity})


async def update_metadata(link: NatsLink, name: str, added: Mapping[str, str]) -> None:
    """Set these entries of a stream's metadata."""
    config = (await link.api(f"STREAM.INFO.{name}"))["config"]
    metadata = config.get("metadata") or {}
    if not added.items() <= metadata.items():
        await link.api(f"STREAM.UPDATE.{name}", {**config, "metadata": {**metadata, **added}})


def are_streams_created(info: Mapping[str, Any]) -> bool:
    """Return whether all streams of this key-value store's log have been created."""
    return STREAMS_CREATED in (info["config"].get("metadata") or {})


def new_identity() -> str:
    """Return an identity for a new log."""
    return uuid.uuid4().hex


def log_config(
    number: int,
    count: int,
    replicas: int,
    identity: str,
    *,
    first: int = 1,
    repaired: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the configuration of one of the log's streams.

    ``repaired`` is metadata that a repair adds.
    """
    return {
        "name": stream_name(number),
        "subjects": [subject_pattern(number)],
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "num_replicas": replicas,
        "first_seq": first,
        "max_age": MAX_AGE_TICKS * 100,
        "duplicate_window": DUPLICATE_WINDOW_NS,
        "deny_delete": True,
        "deny_purge": True,
        "metadata": {IDENTITY: identity, COUNT: str(count), **(repaired or {})},
    }


def kv_config(
    replicas: int, identity: str, repaired: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the configuration of the key-value store's stream."""
    return {
        "name": KV_STREAM,
        "subjects": [f"{KV_PREFIX}.>"],
        "storage": "file",
        "num_replicas": replicas,
        "max_msgs_per_subject": 1,
        "allow_atomic": True,
        "allow_msg_ttl": True,
        "allow_direct": True,
        "deny_delete": True,
        "compression": "s2",
        "metadata": {IDENTITY: identity, **(repaired or {})},
    }
