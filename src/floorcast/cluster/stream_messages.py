"""Reads single messages of a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from floorcast.cluster.clock import parse_ticks
from floorcast.cluster.jetstream_responses import RequestRefused
from floorcast.cluster.link import NatsLink

__all__ = ["find_message", "message_time", "newest_seq"]

NO_MESSAGE = 10037  # JetStream's code


async def message_time(link: NatsLink, stream: str, seq: int) -> int:
    """Return the tick at which the stream stored the message, or 0 if there is no such message."""
    found = await find_message(link, stream, {"seq": seq}) if seq else None
    return 0 if found is None else parse_ticks(found["time"])


async def newest_seq(link: NatsLink, stream: str, subjects: Sequence[str]) -> int:
    """Return the number of the subjects' newest message, from the leader. Raises Unavailable."""
    found = await asyncio.gather(
        *(find_message(link, stream, {"last_by_subj": s}) for s in subjects)
    )
    return max((int(one["seq"]) for one in found if one is not None), default=0)


async def find_message(link: NatsLink, stream: str, which: object) -> dict[str, str] | None:
    """Return the message that ``which`` selects, as JetStream encodes it, or None.

    Raises Unavailable if the stream does not respond.
    """
    try:
        found = await link.api(f"STREAM.MSG.GET.{stream}", which)
    except RequestRefused as error:
        if error.code == NO_MESSAGE:
            return None
        raise
    message: dict[str, str] = found["message"]
    return message
