"""How a cluster does: its nodes, as they say themselves, and its streams, as NATS says."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any, NamedTuple

from floorcast.cluster.link import NatsLink, Refused, heard, reached
from floorcast.cluster.log_messages import stream_name
from floorcast.cluster.peers import Peer, ask_peers
from floorcast.cluster.streams import KV_STREAM, state_of
from floorcast.model.errors import SettingError, Unavailable

__all__ = ["Overview", "StreamState", "overview"]

PATIENCE = 5.0  # seconds for the cluster to answer


class StreamState(NamedTuple):
    """One stream; ``leader`` is empty, and the rest 0, while it has no quorum.

    ``in_step`` of its ``replicas`` have all of it, on ``disk_bytes`` each.
    """

    name: str
    leader: str = ""
    in_step: int = 0
    replicas: int = 0
    messages: int = 0
    disk_bytes: int = 0


class Overview(NamedTuple):
    """The nodes that answered within a second, and every stream of the cluster."""

    nodes: list[Peer]
    streams: list[StreamState]


async def overview(url: str) -> Overview:
    """Ask the cluster at ``url``.

    Raises SettingError when there is no log of floorcast, Unavailable when no server answers.
    """
    async with AsyncExitStack() as stack:
        link = await NatsLink.open(url, "floorcast cluster status", patience=PATIENCE)
        stack.push_async_callback(link.close)
        nodes = await ask_peers(link)
        first = await _info(link, stream_name(0))
        count = 1 if first is None else state_of(first).streams or 1
        names = [*map(stream_name, range(count)), KV_STREAM]
        return Overview(nodes, [_state(name, await _info(link, name)) for name in names])


async def _info(link: NatsLink, name: str) -> dict[str, Any] | None:
    try:
        return await link.api(f"STREAM.INFO.{name}", patience=PATIENCE)
    except Unavailable:
        return None
    except Refused as no:
        raise SettingError(f"log: the cluster holds no log of floorcast ({no})") from no


def _state(name: str, info: dict[str, Any] | None) -> StreamState:
    if info is None or not reached(info):
        return StreamState(name)
    return StreamState(
        name,
        info["cluster"]["leader"],
        1 + sum(bool(one.get("current")) for one in heard(info)),
        info["config"]["num_replicas"],
        info["state"]["messages"],
        info["state"]["bytes"],
    )
