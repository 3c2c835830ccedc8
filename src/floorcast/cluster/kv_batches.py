"""Encodes a write to the key-value store as atomic batches of messages. No I/O.

A batch has the changes and, for the keys that a write expects but does not change, empty messages
with the conditions. A value that does not fit into a message becomes several messages.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from floorcast.cluster.kv_copy import INTERNAL, StoreCopy
from floorcast.cluster.kv_watch import PARTS, subject
from floorcast.kv.port import Item

__all__ = ["MAX_BATCH_KEYS", "BatchEncoder", "KvKey", "KvMessage", "split_write"]

MAX_BATCH_KEYS: Final = 400  # changed or compared in one batch; each key may need several messages

EXPECTED = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_OF = "Nats-Expected-Last-Subject-Sequence-Subject"

KvKey = tuple[str, str]
"""A bucket and a key in it."""


class KvMessage(NamedTuple):
    """A message of a batch."""

    subject: str
    payload: bytes
    headers: dict[str, str]


class BatchEncoder:
    """Encodes the writes of one node. Deletions are kept for ``tombstone`` seconds.

    ``copy`` tells which of a value's earlier messages are no longer needed.
    """

    def __init__(self, copy: StoreCopy, tombstone: int) -> None:
        self._copy = copy
        self._deletion = {"KV-Operation": "DEL", "Nats-TTL": f"{tombstone}s"}
        self._condition_prefix = secrets.token_hex(8)

    def encode(
        self, changes: tuple[Item, ...], conditions: Mapping[KvKey, int], piece_bytes: int
    ) -> list[KvMessage]:
        """Return the messages that make the changes on these conditions, in order.

        ``conditions`` are the keys' expected sequence numbers. Values longer than ``piece_bytes``
        are divided.
        """
        values = {(item.bucket, item.key): item.value for item in changes}
        batch = [
            self._condition(number, subject(*key), conditions[key])
            for number, key in enumerate(conditions)
            if key not in values
        ]
        for key, value in values.items():
            batch += self._messages(key, value, conditions.get(key), piece_bytes)
        return batch

    def _condition(self, number: int, of: str, seq: int) -> KvMessage:
        headers = {EXPECTED: str(seq), EXPECTED_OF: of, "Nats-TTL": "1m"}
        return KvMessage(subject(INTERNAL, f"{self._condition_prefix}-{number}"), b"", headers)

    def _messages(
        self, bucket_key: KvKey, value: bytes | None, expected: int | None, piece_bytes: int
    ) -> list[KvMessage]:
        bucket, key = bucket_key
        headers = {} if expected is None else {EXPECTED: str(expected)}
        pieces = _pieces(value or b"", piece_bytes)
        if value is None:
            headers |= self._deletion
        elif len(pieces) > 1:
            headers[PARTS] = str(len(pieces))
        parts = [
            KvMessage(subject(bucket, key, number), piece, {})
            for number, piece in enumerate(pieces[:-1], 1)
        ]
        removed_parts = [
            KvMessage(subject(bucket, key, number), b"", dict(self._deletion))
            for number in range(len(pieces), self._copy.key_state(bucket, key).parts)
        ]
        return [*parts, *removed_parts, KvMessage(subject(bucket, key), pieces[-1], headers)]


def _pieces(value: bytes, size: int) -> list[bytes]:
    return [value[at : at + size] for at in range(0, len(value), size)] or [b""]


def split_write(
    changes: tuple[Item, ...], expected: tuple[Item, ...]
) -> Iterator[tuple[tuple[Item, ...], tuple[Item, ...]]]:
    """Yield the write, or the batches of a large one, with the conditions on their own keys.

    Conditions on keys that do not change come first.
    """
    changed = {(item.bucket, item.key) for item in changes}
    if len(changed | {item[:2] for item in expected}) <= MAX_BATCH_KEYS:
        yield changes, expected
        return
    expected_by_key = {item[:2]: item for item in expected}
    unchanged = [item for item in expected if item[:2] not in changed]
    steps: list[tuple[Item | None, Item | None]] = [(None, item) for item in unchanged]
    steps += [(item, expected_by_key.get(item[:2])) for item in changes]
    for at in range(0, len(steps), MAX_BATCH_KEYS):
        some = steps[at : at + MAX_BATCH_KEYS]
        yield (
            tuple(change for change, _ in some if change is not None),
            tuple(condition for _, condition in some if condition is not None),
        )
