"""A node's copy of the key-value store, made from the messages of its stream.

No I/O: ``kv_watch.py`` reads the messages, and this module derives the values of the keys from
them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from floorcast.kv.port import Item, Listener

__all__ = ["OWN", "Copy", "KeyMessage", "KeyState", "Observer"]

OWN = "_"
"""Not a bucket: its messages only mark a position in the stream, or carry a condition."""


class KeyMessage(NamedTuple):
    """The value of a key from the stream's ``seq`` on; None if the key was deleted.

    ``at`` is the time in ticks at which the stream stored it. A large value has several messages:
    ``part`` 1, 2, 3 … and finally part 0 with the number of ``parts`` before it.
    """

    bucket: str
    key: str
    value: bytes | None
    seq: int
    part: int = 0
    parts: int = 0
    at: int = 0


class KeyState(NamedTuple):
    """The last known state of a key; ``seq`` is 0 if it was never written."""

    value: bytes | None = None
    seq: int = 0
    parts: int = 0
    at: int = 0


NOTHING = KeyState()

Observer = Callable[[Mapping[tuple[str, str], bytes | None]], None]
"""Receives the current values of a write's keys, by bucket and key. Must not raise."""


class Copy:
    """The values of the keys up to message ``seq`` of the stream, stored at ``at`` (ticks)."""

    def __init__(self) -> None:
        self.seq = 0
        self.at = 0
        self._observers: list[Observer] = []
        self._held: defaultdict[str, dict[str, KeyState]] = defaultdict(dict)
        self._parts: dict[tuple[str, str, int], bytes] = {}
        self._versions: Counter[str] = Counter()
        self._listeners: defaultdict[str, list[Listener]] = defaultdict(list)

    def held(self, bucket: str, key: str) -> KeyState:
        """The known state of the key."""
        return self._held[bucket].get(key, NOTHING)

    def remember(self, known: Mapping[tuple[str, str], KeyState], at: int) -> None:
        """Start with the values of the keys at tick ``at``, without calling listeners."""
        self.at = at
        for (bucket, key), held in known.items():
            self._held[bucket][key] = held
        self._versions.update({bucket for bucket, _ in known})

    def items(self, bucket: str) -> dict[str, bytes]:
        """A copy of everything in the bucket, by key."""
        return {
            key: held.value for key, held in self._held[bucket].items() if held.value is not None
        }

    def version(self, bucket: str) -> int:
        """A number that grows with every change of the bucket."""
        return self._versions[bucket]

    def holds(self, items: Iterable[Item]) -> bool:
        """Whether the keys have exactly these values."""
        return all(self.held(bucket, key).value == value for bucket, key, value in items)

    def listen(self, bucket: str, listener: Listener) -> None:
        """Call ``listener`` for every change of the bucket from now on."""
        self._listeners[bucket].append(listener)

    def take(self, messages: Iterable[KeyMessage]) -> None:
        """Apply a batch. Listeners are called after the whole batch is visible."""
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
        """The buckets that have or had keys."""
        return [bucket for bucket in self._held if bucket != OWN]

    def on_change(self, observer: Observer) -> None:
        """Call ``observer`` for every write from now on."""
        self._observers.append(observer)

    def lost(self, messages: Iterable[KeyMessage], *, deletions_kept: bool) -> str:
        """Return a key that the stream has lost, by the last message of every key, or "".

        A key is lost if its message is older than the copy's, or has another value at the same
        position. With ``deletions_kept``, the stream still has every deletion that the copy lacks,
        so a missing key is also lost.
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
        """Apply the last message of every key. A key without a message is deleted."""
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
            if None in pieces:  # a later write has replaced them, and follows at once
                return False
            value = b"".join([*(piece for piece in pieces if piece is not None), value])
        self._held[bucket][key] = KeyState(value, seq, parts, at)
        return True
