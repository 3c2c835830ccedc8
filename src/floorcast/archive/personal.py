"""Drops, masks, hashes (with a key) or keeps personal data in the archive.

Personal data are callers' phone numbers, accounts, names and e-mail addresses, and the destinations
of transferred calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import Any, Literal

from floorcast.model.person import PERSONAL_MEMBERS, normalize_phone

__all__ = ["MODES", "Mode", "Treatment", "keyed_hash", "keyed_hashes", "treat_members", "treatment"]

Mode = Literal["drop", "mask", "hash", "keep"]
MODES: tuple[Mode, ...] = ("drop", "mask", "hash", "keep")

UNMASKED_CHARACTERS = 4  # visible characters at the end of a masked value
HASH_BYTES = 16

Treatment = Callable[[Any], str | None]
"""A function that returns the value to archive in place of a personal value."""


def treatment(mode: Mode, key: bytes) -> Treatment:
    """Return the treatment for a mode. ``key`` is the key for hashes."""
    if mode == "drop":
        return _drop
    if mode == "mask":
        return _mask
    if mode == "hash":
        return lambda value: None if value is None else keyed_hash(str(value), key)
    return lambda value: None if value is None else str(value)


def keyed_hash(value: str, key: bytes) -> str:
    """Return the keyed hash of a value. Without the key, nobody can test a guessed value.

    Equal values have equal hashes, and so do different notations of a phone number.
    """
    (hashed,) = keyed_hashes([normalize_phone(value) or value], key)
    return hashed


def keyed_hashes(values: Iterable[str], key: bytes) -> Iterator[str]:
    """Yield the keyed hash of each value. Phone numbers must be normalized."""
    keyed = blake2b(digest_size=HASH_BYTES, key=key, person=b"floorcast-person")
    for value in values:
        digest = keyed.copy()  # twice as fast as beginning with the key each time
        digest.update(value.encode())
        yield digest.hexdigest()


def treat_members(data: dict[str, Any], treat: Treatment) -> dict[str, Any]:
    """Return event data with its personal members treated. Members without a value are omitted."""
    treated: dict[str, Any] = {}
    for name, value in data.items():
        result: Any = value
        if name in PERSONAL_MEMBERS:
            result = treat(value)
        elif isinstance(value, dict):
            result = treat_members(value, treat)
        if result is not None:
            treated[name] = result
    return treated


def _drop(_value: object) -> None:
    return None


def _mask(value: object) -> str | None:
    """Mask all but the last four characters, or all characters of a value with at most four."""
    if value is None:
        return None
    text = str(value)
    return (
        "*" * (len(text) - UNMASKED_CHARACTERS) + text[-UNMASKED_CHARACTERS:]
        if len(text) > UNMASKED_CHARACTERS
        else "*" * len(text)
    )
