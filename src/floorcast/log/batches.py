"""From a batch to entries: which events are new, and how they are split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from floorcast.log.port import Batch, Entry, Head
from floorcast.model.inbound import LoggedEvent
from floorcast.model.token import MAX_INDEX

__all__ = ["News", "entries_of", "news_of"]


class News(NamedTuple):
    """The events of a batch that a log does not hold, and the indices of all others."""

    lines: Sequence[bytes]
    events: Sequence[LoggedEvent]
    keys: Sequence[bytes]
    duplicates: Sequence[int]


def news_of(batch: Batch, keys: Sequence[bytes], held: AbstractSet[bytes]) -> News:
    """Split a batch by its keys; of equal keys within it the first is new."""
    if not held and len(set(keys)) == len(keys):
        return News(batch.lines, batch.events, keys, ())
    known = set(held)
    new: list[int] = []
    duplicates: list[int] = []
    for index, key in enumerate(keys):
        if key in known:
            duplicates.append(index)
        else:
            known.add(key)
            new.append(index)
    return News(
        [batch.lines[index] for index in new],
        [batch.events[index] for index in new],
        [keys[index] for index in new],
        duplicates,
    )


def entries_of(
    client: int, news: News, next_head: Callable[[], Head], entry_events: int = MAX_INDEX + 1
) -> list[Entry]:
    """The entries that keep the news, each with a head of its own and at most ``entry_events``.

    Raises ValueError when a line holds a newline.
    """
    pieces = range(0, len(news.lines), entry_events)
    payloads = [b"\n".join(news.lines[start : start + entry_events]) for start in pieces]
    if sum(payload.count(b"\n") + 1 for payload in payloads) != len(news.lines):
        raise ValueError("a line of a batch holds a newline")
    entries = []
    for start, payload in zip(pieces, payloads, strict=True):
        events = news.events[start : start + entry_events] if len(pieces) > 1 else news.events
        number, recorded_at = next_head()
        entries.append(Entry(client, number, recorded_at, "events", len(events), payload, events))
    return entries
