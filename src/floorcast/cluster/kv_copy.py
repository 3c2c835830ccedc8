"""A node's copy of the key-value store, built from the messages of its stream.

This module does no I/O: ``kv_watch.py`` reads the messages, and this module derives the keys'
values from them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from floorcast.kv.port import Item, Listener

__all__ = ["INTERNAL", "KeyMessage", "KeyState", "Observer", "StoreCopy"]

INTERNAL = "_"
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


NEVER_WRITTEN = KeyState()

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
        self._states: defaultdict[str, dict[str, KeyState]] = defaultdict(dict)
        self._parts: dict[tuple[str, str, int], bytes] = {}
        self._versions: Counter[str] = Counter()
        self._listeners: defaultdict[str, list[Listener]] = defaultdict(list)

    def key_state(self, bucket: str, key: str) -> KeyState:
        """Return the known state of the key."""
        return self._states[bucket].get(key, NEVER_WRITTEN)

    def load(self, known: Mapping[tuple[str, str], KeyState], at: int) -> None:
        """Start from the keys' values at tick ``at``, without calling listeners."""
        self.at = at
        for (bucket, key), key_state in known.items():
            self._states[bucket][key] = key_state
        self._versions.update({bucket for bucket, _ in known})

    def items(self, bucket: str) -> dict[str, bytes]:
        """Return a copy of the bucket's values, by key."""
        return {
            key: key_state.value
            for key, key_state in self._states[bucket].items()
            if key_state.value is not None
        }

    def version(self, bucket: str) -> int:
        """Return a number that grows whenever the bucket changes."""
        return self._versions[bucket]

    def holds(self, items: Iterable[Item]) -> bool:
        """Return whether the keys have exactly these values."""
        return all(self.key_state(bucket, key).value == value for bucket, key, value in items)

    def listen(self, bucket: str, listener: Listener) -> None:
        """Call ``listener`` for every later change of the bucket."""
        self._listeners[bucket].append(listener)

    def apply(self, messages: Iterable[KeyMessage]) -> None:
        """Apply a batch. Listeners are called when the whole batch is visible."""
        changes: dict[tuple[str, str], bytes | None] = {}
        for message in messages:
            self.seq, self.at = max(self.seq, message.seq), max(self.at, message.at)
            if self._put(message):
                key_state = self.key_state(message.bucket, message.key)
                changes[message.bucket, message.key] = key_state.value
        for observer in self._observers if changes else ():
            observer(changes)
        for bucket in {bucket for bucket, _ in changes}:
            self._versions[bucket] += 1
        for (bucket, key), value in changes.items():
            for listener in self._listeners[bucket]:
                listener(key, value)

    def buckets(self) -> list[str]:
        """Return the buckets that have or had keys."""
        return [bucket for bucket in self._states if bucket != INTERNAL]

    def on_change(self, observer: Observer) -> None:
        """Call ``observer`` for every later write."""
        self._observers.append(observer)

    def find_loss(self, messages: Iterable[KeyMessage], *, deletions_kept: bool) -> str:
        """Return a description of something that the stream has lost, or "" if nothing is lost.

        ``messages`` contains the last message of every key. A key is lost if its message is older
        than the copy's, or has another value at the same position. If ``deletions_kept`` is True,
        the stream still has every deletion that the copy lacks, so a key without a message is lost,
        too.
        """
        present = set()
        for message in messages:
            present.add((message.bucket, message.key))
            known = self.key_state(message.bucket, message.key)
            if message.bucket == INTERNAL or message.part or not known.seq:
                continue
            differs = (
                message.seq == known.seq and not message.parts and message.value != known.value
            )
            if message.seq < known.seq or differs:
                return f"a change of {message.bucket}"
        for bucket, keys in self._states.items() if deletions_kept else ():
            if any(
                state.value is not None and (bucket, key) not in present
                for key, state in keys.items()
            ):
                return f"a key of {bucket}"
        return ""

    def replace_all(self, messages: list[KeyMessage]) -> None:
        """Apply the last message of every key, and delete the keys that have no message."""
        present = {(message.bucket, message.key) for message in messages}
        absent = [
            (bucket, key, key_state)
            for bucket, keys in self._states.items()
            for key, key_state in keys.items()
            if (bucket, key) not in present
        ]
        deletions = [
            KeyMessage(bucket, key, None, key_state.seq + 1)
            for bucket, key, key_state in absent
            if key_state.value is not None
        ]
        self._parts.clear()
        self.apply([*deletions, *messages])
        for bucket, key, _ in absent:
            del self._states[bucket][key]

    def _put(self, message: KeyMessage) -> bool:
        bucket, key, value, seq, part, parts, at = message
        if bucket == INTERNAL:
            return False
        if part:
            if value is not None:
                self._parts[bucket, key, part] = value
            return False
        if seq <= self.key_state(bucket, key).seq:
            return False
        if parts and value is not None:
            pieces = [self._parts.pop((bucket, key, number), None) for number in range(1, parts)]
            if None in pieces:  # a later write has replaced them, and its messages follow
                return False
            value = b"".join([*(piece for piece in pieces if piece is not None), value])
        self._states[bucket][key] = KeyState(value, seq, parts, at)
        return True
