"""A node's copy of the key-value store, built from the messages of its stream.

This module does no I/O: ``kv_watch.py`` reads the messages, and this module derives the keys'
values from them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from floorcast.kv.port import Item, Listener

__all__ = ["OWN", "KeyMessage", "KeyState", "Observer", "StoreCopy"]

OWN = "_"
"""The pseudo-bucket of messages that only mark a position in the stream or carry a condition."""


class KeyMessage(NamedTuple):
    """A message that sets the value of a key, or deletes the key if the value is None.

    ``seq`` is the message's position in the stream, and ``at`` the time in ticks at which the
    stream stored it. A large value takes several messages: ``part`` 1, 2, 3 … and finally part 0,
    whose ``parts`` is the number of all these messages.
    """

    bucket: str
    key: str
    value: bytes | None
    seq: int
    part: int = 0
    parts: int = 0
    at: int = 0


class KeyState(NamedTuple):
    """The last known state of a key. ``seq`` is 0 if the key was never written."""

    value: bytes | None = None
    seq: int = 0
    parts: int = 0
    at: int = 0


NOTHING = KeyState()

Observer = Callable[[Mapping[tuple[str, str], bytes | None]], None]
"""Receives the new values of the keys that a write has changed, by bucket and key.

Must not raise.
"""


class StoreCopy:
    """The keys' values after message ``seq`` of the stream, which was stored at tick ``at``."""

    def __init__(self) -> None:
        self.seq = 0
        self.at = 0
        self._observers: list[Observer] = []
        self._held: defaultdict[str, dict[str, KeyState]] = defaultdict(dict)
        self._parts: dict[tuple[str, str, int], bytes] = {}
        self._versions: Counter[str] = Counter()
        self._listeners: defaultdict[str, list[Listener]] = defaultdict(list)

    def held(self, bucket: str, key: str) -> KeyState:
        """Return the known state of the key."""
        return self._held[bucket].get(key, NOTHING)

    def remember(self, known: Mapping[tuple[str, str], KeyState], at: int) -> None:
        """Start from the keys' values at tick ``at``, without calling listeners."""
        self.at = at
        for (bucket, key), held in known.items():
            self._held[bucket][key] = held
        self._versions.update({bucket for bucket, _ in known})

    def items(self, bucket: str) -> dict[str, bytes]:
        """Return a copy of the bucket's values, by key."""
        return {
            key: held.value for key, held in self._held[bucket].items() if held.value is not None
        }

    def version(self, bucket: str) -> int:
        """Return a number that grows whenever the bucket changes."""
        return self._versions[bucket]

    def holds(self, items: Iterable[Item]) -> bool:
        """Return whether the keys have exactly these values."""
        return all(self.held(bucket, key).value == value for bucket, key, value in items)

    def listen(self, bucket: str, listener: Listener) -> None:
        """Call ``listener`` for every later change of the bucket."""
        self._listeners[bucket].append(listener)

    def take(self, messages: Iterable[KeyMessage]) -> None:
        """Apply a batch. Listeners are called when the whole batch is visible."""
        changes: dict[tuple[str, str], bytes | None] = {}
        for message in messages:
            self.seq, self.at = max(self.seq, message.seq), max(self.at, message.at)
            if self._put(message):
                held = self.held(message.bucket, message.key)
                changes[message.bucket, message.key] = held.value
        for observer in self._observers if changes else ():
            observer(changes)
        for bucket in {bucket for bucket, _ in changes}:
            self._versions[bucket] += 1
        for (bucket, key), value in changes.items():
            for listener in self._listeners[bucket]:
                listener(key, value)

    def buckets(self) -> list[str]:
        """Return the buckets that have or had keys."""
        return [bucket for bucket in self._held if bucket != OWN]

    def on_change(self, observer: Observer) -> None:
        """Call ``observer`` for every later write."""
        self._observers.append(observer)

    def lost(self, messages: Iterable[KeyMessage], *, deletions_kept: bool) -> str:
        """Return a description of something that the stream has lost, or "" if nothing is lost.

        ``messages`` contains the last message of every key. A key is lost if its message is older
        than the copy's, or has another value at the same position. If ``deletions_kept`` is True,
        the stream still has every deletion that the copy lacks, so a key without a message is lost,
        too.
        """
        there = set()
        for message in messages:
            there.add((message.bucket, message.key))
            known = self.held(message.bucket, message.key)
            if message.bucket == OWN or message.part or not known.seq:
                continue
            other = message.seq == known.seq and not message.parts and message.value != known.value
            if message.seq < known.seq or other:
                return f"a change of {message.bucket}"
        for bucket, keys in self._held.items() if deletions_kept else ():
            if any(
                one.value is not None and (bucket, key) not in there for key, one in keys.items()
            ):
                return f"a key of {bucket}"
        return ""

    def take_all(self, messages: list[KeyMessage]) -> None:
        """Apply the last message of every key, and delete the keys that have no message."""
        there = {(message.bucket, message.key) for message in messages}
        gone = [
            (bucket, key, held)
            for bucket, keys in self._held.items()
            for key, held in keys.items()
            if (bucket, key) not in there
        ]
        deletions = [
            KeyMessage(bucket, key, None, held.seq + 1)
            for bucket, key, held in gone
            if held.value is not None
        ]
        self._parts.clear()
        self.take([*deletions, *messages])
        for bucket, key, _ in gone:
            del self._held[bucket][key]

    def _put(self, message: KeyMessage) -> bool:
        bucket, key, value, seq, part, parts, at = message
        if bucket == OWN:
            return False
        if part:
            if value is not None:
                self._parts[bucket, key, part] = value
            return False
        if seq <= self.held(bucket, key).seq:
            return False
        if parts and value is not None:
            pieces = [self._parts.pop((bucket, key, number), None) for number in range(1, parts)]
            if None in pieces:  # a later write has replaced them, and its messages follow
                return False
            value = b"".join([*(piece for piece in pieces if piece is not None), value])
        self._held[bucket][key] = KeyState(value, seq, parts, at)
        return True
