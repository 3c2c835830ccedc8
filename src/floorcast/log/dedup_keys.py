"""The keys by which a log tells events apart: client, source and id in one row of bytes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import msgspec

from floorcast.model.inbound import read_lines

__all__ = ["Identified", "keys_of", "keys_of_payload"]


class Identified(Protocol):
    """An event, as far as it is told from others."""

    @property
    def source(self) -> str:
        """Where it comes from."""
        ...

    @property
    def id(self) -> str:
        """Its id, of its source's choice."""
        ...


class _Line(msgspec.Struct, gc=False):
    source: str
    id: str


_lines = msgspec.json.Decoder(_Line)


def keys_of(client: int, events: Sequence[Identified]) -> list[bytes]:
    """The events' keys, in order; two are equal when client, source and id are."""
    sources = {event.source for event in events}
    if len(sources) == 1:
        prefix = _prefix(client, sources.pop())
        return [(prefix + event.id).encode() for event in events]
    prefixes = {source: _prefix(client, source) for source in sources}
    return [(prefixes[event.source] + event.id).encode() for event in events]


def keys_of_payload(client: int, payload: bytes) -> list[bytes]:
    """The keys of a stored entry's events, in order."""
    try:
        return keys_of(client, _lines.decode_lines(payload))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return keys_of(client, read_lines(payload))


@lru_cache(maxsize=1024)
def _prefix(client: int, source: str) -> str:
    # The only newlines are those that end the two parts: no other pair gives the same key.
    escaped = source.replace("\\", "\\\\").replace("\n", "\\n")
    return f"{client}\n{escaped}\n"
