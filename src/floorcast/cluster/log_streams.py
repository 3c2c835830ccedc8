"""The streams of a cluster's log: how they are made, and what tells them from another cluster's.

All nodes may make them at once. A stream carries the log's identity, so that a log that was made
anew is never taken for the one that a node has a copy of.
"""

from __future__ import annotations

import uuid
from typing import Any, Final

import structlog

from floorcast.cluster.link import NatsLink, Refused
from floorcast.cluster.log_messages import stream_name, subjects
from floorcast.log.log_file import Follows
from floorcast.log.port import RETENTION
from floorcast.model.errors import SettingError, Unavailable

__all__ = ["COUNT", "make_streams"]

EXTRA: Final = 2 * 3600 * 10_000_000  # ticks that messages outlive entries: a node may lag so far
WINDOW: Final = 120_000_000_000  # ns in which a message that is sent again is known by its id
NAME_IN_USE = 10058  # by a stream of another configuration: of another identity, then
TOO_FEW_SERVERS = 10005
NOT_A_CLUSTER = 10074  # one server, which keeps one copy
IDENTITY: Final = "floorcast_log"
COUNT: Final = "floorcast_streams"
"""What a stream's metadata call the number of all streams."""

_log = structlog.get_logger(__name__)


async def make_streams(
    link: NatsLink, count: int, replicas: int, identity: str | None = None, first: int = 1
) -> tuple[Follows, int]:
    """The cluster's log of ``count`` streams, made where it is not there; and its replicas.

    A new one gets ``identity``, as many ``replicas`` (one where there is a single server), and
    ``first`` as the number of each stream's first message.
    Raises SettingError when the cluster's log has another number of streams, Unavailable when
    it cannot be asked or made now.
    """
    identity = identity or uuid.uuid4().hex
    for number in range(count):
        config = await _made(link, _config(number, count, replicas, identity, first))
        found, replicas = config["metadata"], config["num_replicas"]
        identity = found[IDENTITY] if number == 0 else identity
        if found.get(IDENTITY) != identity:
            raise SettingError(f"log: {stream_name(number)} is of another log than the first")
        if found.get(COUNT) != str(count):
            raise SettingError(
                f"streams: the cluster's log has {found.get(COUNT)} streams, {count} were given; "
                "their number is settled when the log is made"
            )
    return Follows(identity, [stream_name(number) for number in range(count)]), replicas


async def _made(link: NatsLink, wanted: dict[str, Any]) -> dict[str, Any]:
    name = wanted["name"]
    try:
        info = await link.api(f"STREAM.INFO.{name}")
    except Refused:
        info = await _create(link, wanted)
    link.watch(name)
    config: dict[str, Any] = info["config"]
    if IDENTITY not in config.get("metadata", {}):
        raise SettingError(f"log: {name} was not made by floorcast")
    return config


async def _create(link: NatsLink, config: dict[str, Any]) -> Any:  # noqa: ANN401 — the server's own words
    name, replicas = config["name"], config["num_replicas"]
    try:
        return await link.api(f"STREAM.CREATE.{name}", config)
    except Refused as error:
        if error.code == NOT_A_CLUSTER:
            _log.warning("one_server_one_copy", stream=name, replicas_wanted=replicas)
            return await _create(link, config | {"num_replicas": 1})
        if error.code == TOO_FEW_SERVERS:
            raise Unavailable(
                f"{name} cannot have {replicas} replicas: start more servers of the NATS "
                f"cluster, or give fewer with --replicas ({error})"
            ) from error
        if error.code != NAME_IN_USE:
            raise SettingError(f"log: {name} cannot be made: {error}") from error
        return await link.api(f"STREAM.INFO.{name}")


def _config(number: int, count: int, replicas: int, identity: str, first: int) -> dict[str, Any]:
    return {
        "name": stream_name(number),
        "subjects": [subjects(number)],
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "num_replicas": replicas,
        "first_seq": first,
        "max_age": (RETENTION + EXTRA) * 100,
        "duplicate_window": WINDOW,
        "deny_delete": True,
        "deny_purge": True,
        "metadata": {IDENTITY: identity, COUNT: str(count)},
    }
