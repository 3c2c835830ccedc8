"""Compares a stream with a node's copy: its identity, its generation and its messages."""

from __future__ import annotations

from base64 import b64decode

from floorcast.cluster.link import NatsLink
from floorcast.cluster.log_messages import digest
from floorcast.cluster.stream_messages import find_message
from floorcast.cluster.streams import REPAIR, StreamState
from floorcast.log.log_file import StreamPosition
from floorcast.model.errors import Unavailable

__all__ = ["Mismatch", "check_message", "check_position"]


class Mismatch(Unavailable):
    """The stream is not the one that this node has copied, or no longer has the copied messages."""


async def check_position(
    link: NatsLink, state: StreamState, identity: str, position: StreamPosition
) -> None:
    """Check that the stream still has the copied messages.

    Raises Mismatch, with advice, if it does not, and Unavailable if the stream does not respond.
    """
    stream, seq = position.stream, position.seq
    if state.identity != identity:
        raise Mismatch(
            f"{stream} belongs to another log ({state.identity or 'not of floorcast'}) than this "
            f"node's copy ({identity}): {REPAIR}, or give this node another folder"
        )
    if state.generation != position.generation:
        raise Mismatch(
            f"{stream} was repaired from another node's folder: restart this node, so that it "
            "copies a node that is ready"
        )
    if state.first_seq > seq + 1:
        raise Mismatch(
            f"{stream} begins at message {state.first_seq}, and this node has it up to {seq}: "
            "restart this node, so that it copies a node that is ready"
        )
    await check_message(link, state, position)


async def check_message(link: NatsLink, state: StreamState, position: StreamPosition) -> None:
    """Check that the stream still has the last copied message.

    Raises Mismatch if it does not, and Unavailable if the stream does not respond.
    """
    stream, seq = position.stream, position.seq
    if state.last_seq < seq:
        raise Mismatch(
            f"{stream} ends at message {state.last_seq}, and this node has it up to {seq}: the "
            f"stream has lost messages; {REPAIR}"
        )
    if not position.digest or seq < state.first_seq:
        return
    found = await find_message(link, stream, {"seq": seq})
    if found is not None and _digest(found) != position.digest:
        raise Mismatch(
            f"message {seq} of {stream} is not the one that this node has: the stream has lost "
            f"messages and others have taken their places; {REPAIR}"
        )


def _digest(found: dict[str, str]) -> bytes:
    lines = b64decode(found.get("hdrs", "")).decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines if ": " in line)
    return digest(found["subject"], headers, b64decode(found.get("data", "")))
