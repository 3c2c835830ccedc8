"""Reads API tokens and ingest keys, finds the clients that they belong to, and throttles guesses.

After 20 different wrong keys from one address, the next key from it is refused for 1 s. Each
further wrong key doubles this delay, up to 60 s. 20 attempts with the same wrong key cause the same
delay, but only for that key, so a source with a revoked key does not block others at its address. A
count decreases by one per 120 s without a wrong key.

A key that was accepted from an address before is never delayed there. Each process counts
separately, in memory.
"""

from __future__ import annotations

import hmac
import math
import re
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from floorcast.auth.networks import network_of
from floorcast.model.errors import BadCredentials, RateLimited
from floorcast.model.token import TICKS_PER_SECOND, Now
from floorcast.site.configuration import ScreenKey, SiteClient
from floorcast.site.digests import digest
from floorcast.site.live_site import Site

__all__ = ["KeyThrottle", "KeyVerifier", "api_token", "bearer", "is_api_token"]


T = TypeVar("T")

_BEARER = re.compile(r"\s*bearer\s+(\S+)\s*", re.IGNORECASE)


def bearer(authorization: str | None) -> str | None:
    """Return the credentials in an ``Authorization: Bearer …`` header; None for any other."""
    found = _BEARER.fullmatch(authorization or "")
    return found[1] if found else None


def api_token(lv_access: str | None, authorization: str | None) -> str | None:
    """Return a request's API token from ``LV-Access``, or else from the bearer; None if missing."""
    return (lv_access or "").strip() or bearer(authorization)


def is_api_token(client: SiteClient | None, key_digest: str) -> bool:
    """Return whether a token's digest is one of the client's.

    The time that this takes reveals nothing about the client's tokens.
    """
    is_valid = False
    for known in client.api_tokens if client else ():
        is_valid |= hmac.compare_digest(known, key_digest)
    return is_valid


class KeyVerifier:
    """The site's current ingest, metrics and screen keys."""

    def __init__(self, site: Site, key_throttle: KeyThrottle) -> None:
        self._site = site
        self._key_throttle = key_throttle

    def client_of_ingest_key(self, key: str | None, address: str = "") -> int:
        """Return the client that an ingest key (see ``bearer``) belongs to.

        Raises ``BadCredentials``, ``RateLimited`` after too many wrong keys from ``address``, and
        ``Unavailable`` while a node of a cluster cannot know which keys were revoked. Keys are
        looked up by their digests, so the time that this takes reveals nothing about them.
        """
        if not key:
            raise BadCredentials("an ingest key is required: Authorization: Bearer <ingest key>")
        return self._look_up(key, address, "ingest key", self._site.directory.client_of_ingest_key)

    def client_of_metrics_key(self, key: str | None, address: str = "") -> int:
        """Return the client that a metrics key (see ``bearer``) belongs to.

        Raises the same errors as ``client_of_ingest_key``.
        """
        if not key:
            raise BadCredentials("a metrics key is required: Authorization: Bearer <metrics key>")
        find = self._site.directory.client_of_metrics_key
        return self._look_up(key, address, "metrics key", find)

    def screen(self, key: str | None, address: str = "") -> tuple[int, ScreenKey]:
        """Return the client that a screen key (see ``bearer``) belongs to, and the stored key.

        Raises the same errors as ``client_of_ingest_key``.
        """
        if not key:
            raise BadCredentials("a screen key is required: Authorization: Bearer <screen key>")
        return self._look_up(key, address, "screen key", self._site.directory.screen)

    def _look_up(self, key: str, address: str, kind: str, find: Callable[[str], T | None]) -> T:
        self._site.check_current()
        key_digest = digest(key)
        self._key_throttle.check(address, key_digest)
        found = find(key_digest)
        if found is None:
            self._key_throttle.record_wrong(address, key_digest)
            raise BadCredentials(f"the {kind} is not one of this server's")
        self._key_throttle.record_valid(address, key_digest)
        return found


FREE_WRONG_KEYS = 20  # wrong keys before the first delay
MAX_DELAY_SECONDS = 60
MAX_COUNT = FREE_WRONG_KEYS + 6  # the maximum count, with the longest delay
DECAY_SECONDS = 120  # seconds without a wrong key after which a count decreases by one
MAX_COUNTS = 50_000  # counts, and as many pairs of an address and a valid key


class _Count(NamedTuple):
    wrong: int
    last: int  # ticks
    until: int  # ticks


class KeyThrottle:
    """The wrong and the valid keys that each address has used.

    ``monotonic`` is a clock that does not jump, as the wall clock may.
    """

    def __init__(self, monotonic: Now, max_counts: int = MAX_COUNTS) -> None:
        self._now = monotonic
        self._max_counts = max_counts
        # by network and key, and by network alone (key "") for different keys; oldest use first
        self._wrong: dict[tuple[str, str], _Count] = {}
        self._valid: dict[tuple[str, str], None] = {}

    def check(self, address: str, key_digest: str) -> None:
        """Raise ``RateLimited`` if it is too early for another key from this address.

        This check costs almost nothing until the first wrong key.
        """
        if not self._wrong or (address, key_digest) in self._valid:
            return
        network = network_of(address)
        count = self._wrong.get((network, key_digest)) or self._wrong.get((network, ""))
        now = self._now()
        if count is not None and count.until > now:
            wait = math.ceil((count.until - now) / TICKS_PER_SECOND)
            raise RateLimited(
                f"too many wrong keys from this address: wait {wait} s before the next one",
                retry_after=wait,
            )

    def record_valid(self, address: str, key_digest: str) -> None:
        """Record that an address has used a valid key."""
        pair = address, key_digest
        if pair not in self._valid:
            _make_room(self._valid, self._max_counts)
            self._valid[pair] = None

    def record_wrong(self, address: str, key_digest: str) -> None:
        """Count a wrong key."""
        network = network_of(address)
        if (network, key_digest) not in self._wrong:
            self._count((network, ""))
        self._count((network, key_digest))

    def _count(self, key: tuple[str, str]) -> None:
        now = self._now()
        wrong, last, _ = self._wrong.pop(key, _Count(0, now, 0))
        decayed = max(0, now - last) // (DECAY_SECONDS * TICKS_PER_SECOND)
        wrong = min(max(0, wrong - decayed) + 1, MAX_COUNT)
        delay = (
            min(2 ** (wrong - FREE_WRONG_KEYS), MAX_DELAY_SECONDS)
            if wrong >= FREE_WRONG_KEYS
            else 0
        )
        _make_room(self._wrong, self._max_counts)
        self._wrong[key] = _Count(wrong, now, now + delay * TICKS_PER_SECOND)


def _make_room(kept: dict[tuple[str, str], T], most: int) -> None:
    while len(kept) >= most:
        del kept[next(iter(kept))]
