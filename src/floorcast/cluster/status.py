"""The state of a cluster, as reported by its nodes and by NATS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

from floorcast.cluster.jetstream_responses import RequestRefused
from floorcast.cluster.link import COMMAND_TIMEOUT_SECONDS, NatsLink
from floorcast.cluster.log_messages import stream_name
from floorcast.cluster.peer_messages import Peer
from floorcast.cluster.peers import query_peers
from floorcast.cluster.quorum import has_quorum, live_replicas
from floorcast.cluster.streams import KV_STREAM, REPAIR, is_stream_missing, parse_state
from floorcast.model.errors import SettingError, Unavailable

__all__ = ["ClusterStatus", "StreamReport", "node_status", "query_status"]

MAX_BEHIND_MS = 10_000


class StreamReport(NamedTuple):
    """The state of one stream. Without a quorum, ``leader`` is empty and the numbers are 0.

    ``up_to_date`` of its ``replicas`` are up to date. Each takes ``disk_bytes``.
    """

    name: str
    leader: str = ""
    up_to_date: int = 0
    replicas: int = 0
    messages: int = 0
    disk_bytes: int = 0


class ClusterStatus(NamedTuple):
    """The nodes that responded within a second, every stream, and all problems."""

    nodes: list[Peer]
    streams: list[StreamReport]
    problems: list[str]


async def query_status(url: str) -> ClusterStatus:
    """Query the cluster at ``url``.

    Raises SettingError if the cluster has no floorcast log, and Unavailable if no server responds.
    """
    async with AsyncExitStack() as stack:
        link = await NatsLink.open(
            url, "floorcast cluster status", patience=COMMAND_TIMEOUT_SECONDS
        )
        stack.push_async_callback(link.close)
        nodes = await query_peers(link)
        infos = await _infos(
            link, {position.stream for node in nodes for position in node.following}
        )
        problems = [*_node_problems(nodes), *_stream_problems(infos), *await link.check_servers()]
        return ClusterStatus(nodes, [_state(name, info) for name, info in infos.items()], problems)


def node_status(node: Peer) -> str:
    """Return a node's state in a word or two."""
    if node.halted:
        return "halted"
    return "ready" if node.ready else "catching up"


def _node_problems(nodes: list[Peer]) -> Iterator[str]:
    if not nodes:
        yield "no node answers"
    counts = Counter(node.name for node in nodes)
    for name in sorted(name for name, count in counts.items() if count > 1):
        yield f"{counts[name]} nodes are called {name}: give each a different name with --node"
    for node in nodes:
        if node_status(node) != "ready":
            yield f"{node.name} is {node_status(node)}{node.halted and ': '}{node.halted}"
        if max((position.behind_ms for position in node.following), default=0) > MAX_BEHIND_MS:
            yield f"{node.name} is behind the log"


def _stream_problems(infos: Mapping[str, Mapping[str, Any] | None]) -> Iterator[str]:
    identities = set()
    for name, info in infos.items():
        if info == {}:
            yield f"the cluster has lost {name}: {REPAIR}"
            continue
        if info is None or not has_quorum(info):
            yield f"{name} has no quorum"
            continue
        state = parse_state(info)
        identities.add(state.identity)
        if (
            1 + sum(bool(replica.get("current")) for replica in live_replicas(info))
            < state.replicas
        ):
            yield f"{name} has a replica that is behind"
    if len(identities - {""}) > 1:
        yield f"the streams belong to different logs: {REPAIR}"


async def _infos(link: NatsLink, names: set[str]) -> dict[str, Mapping[str, Any] | None]:
    """Return each stream's ``STREAM.INFO``: None if it is unavailable, empty if it is lost.

    ``names`` are the streams that the nodes report. Raises SettingError if there is no log.
    """
    first = await _info(link, stream_name(0))
    count = parse_state(first).streams if first else 1
    names = names or set(map(stream_name, range(count)))
    infos = {name: await _info(link, name) for name in [*sorted(names), KV_STREAM]}
    if not any(info is None or info for info in infos.values()):
        raise SettingError("log: the cluster holds no floorcast log")
    return infos


async def _info(link: NatsLink, name: str) -> Mapping[str, Any] | None:
    try:
        return await link.api(f"STREAM.INFO.{name}", patience=COMMAND_TIMEOUT_SECONDS)
    except Unavailable:
        return None
    except RequestRefused as error:
        if is_stream_missing(error):
            return {}
        raise


def _state(name: str, info: Mapping[str, Any] | None) -> StreamReport:
    if not info or not has_quorum(info):
        return StreamReport(name)
    return StreamReport(
        name,
        info["cluster"]["leader"],
        1 + sum(bool(replica.get("current")) for replica in live_replicas(info)),
        info["config"]["num_replicas"],
        info["state"]["messages"],
        info["state"]["bytes"],
    )
