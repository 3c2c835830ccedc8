"""Records events of a newer release that this release cannot read.

The log stores these events unchanged, but feeds and figures skip them. A file in the data folder
keeps an example of each type. When a release that can read one of the examples starts, it rebuilds
the projections from the log.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
import structlog

from floorcast.log.folder_copy import FILES
from floorcast.model.inbound import LoggedEvent, UnknownEvent, read_lines
from floorcast.sqlite.files import remove

__all__ = ["NewerEvents", "discard_stale_projections"]

FILE_NAME: Final = "newer-events.json"
PROJECTION: Final = FILES[0]
MAX_EXAMPLES: Final = 100
MAX_EXAMPLE_BYTES: Final = 64 << 10

_log = structlog.stdlib.get_logger(__name__)


class NewerEvents:
    """The examples of one folder. Noting a new type may wait for the disk."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._examples = _examples(self._path)
        self._types = {_type_of(example) for example in self._examples}

    def record(self, lines: Iterable[bytes], events: Iterable[LoggedEvent]) -> None:
        """Keep an example of each type that cannot be read. Never raises."""
        new = False
        for line, event in zip(lines, events, strict=True):
            if not isinstance(event, UnknownEvent) or len(self._examples) >= MAX_EXAMPLES:
                continue
            kind = _type_of(line)
            if kind and kind not in self._types and len(line) <= MAX_EXAMPLE_BYTES:
                self._types.add(kind)
                self._examples.append(line)
                new = True
        if new:
            try:
                self._path.write_bytes(msgspec.json.encode(self._examples))
            except OSError as error:
                _log.warning("newer_events_not_noted", why=str(error))


def discard_stale_projections(folder: Path) -> bool:
    """Delete the projections if this release can read events that an older one could not.

    The server then rebuilds them from the log. Returns whether they were deleted.
    """
    path = folder / FILE_NAME
    examples = _examples(path)
    readable = [event for example in examples for event in read_lines(example)]
    if all(isinstance(event, UnknownEvent) for event in readable):
        return False
    _log.info("newer_events_read", types=sorted(map(_type_of, examples)))
    remove(folder / PROJECTION)
    path.unlink()
    return True


def _examples(path: Path) -> list[bytes]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[bytes])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return []


def _type_of(line: bytes) -> str:
    """Return the event's type and, if it has one, its eventType; "" for invalid data."""
    try:
        found = msgspec.json.decode(line)
        data = found.get("data") or {}
        return f"{found['type']} {data.get('eventType', '')}".strip()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, AttributeError, KeyError):
        return ""
