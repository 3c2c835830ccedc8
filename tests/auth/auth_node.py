"""A small site with all parts that logins need, and a clock that tests set."""

from __future__ import annotations

from floorcast.auth.keys import KeyThrottle
from floorcast.auth.login_verifier import LoginVerifier
from floorcast.auth.passwords import Passwords
from floorcast.auth.sessions import Sessions
from floorcast.auth.throttle import Throttle
from floorcast.kv.memory import MemoryKeyValueStore
from floorcast.kv.port import KeyValueStore
from floorcast.model.token import TICKS_PER_SECOND
from floorcast.site.live_site import Site
from tests.site.sites import CHEAP, small_store

__all__ = ["CHEAP", "AuthNode", "Clock"]


class Clock:
    """A clock that stands still until a test advances it."""

    def __init__(self) -> None:
        self.ticks = 1_700_000_000 * TICKS_PER_SECOND

    def __call__(self) -> int:
        return self.ticks

    def advance(self, seconds: float) -> None:
        """Let some seconds pass."""
        self.ticks += round(seconds * TICKS_PER_SECOND)


class AuthNode:
    """The sessions of the small site. ``restarted`` returns the sessions of the next process."""

    def __init__(
        self,
        kv: KeyValueStore | None = None,
        clock: Clock | None = None,
        *,
        monotonic: Clock | None = None,
        shared: bool = False,
    ) -> None:
        self._shared = shared
        self.clock = clock or Clock()
        self.monotonic = monotonic or self.clock
        self.kv = kv or small_store()
        self.site = Site(self.kv)
        self.passwords = Passwords(CHEAP)
        self.throttle = Throttle(MemoryKeyValueStore(), self.clock)
        key_throttle = KeyThrottle(self.clock)
        credentials = LoginVerifier(self.site, self.passwords, self.throttle, key_throttle)
        self.sessions = Sessions(
            self.site,
            self.kv,
            credentials,
            self.passwords,
            self.clock,
            monotonic=self.monotonic,
            shared=shared,
        )

    def restarted(self) -> AuthNode:
        """Return the sessions after a crash, with only the data on disk."""
        self.passwords.close()
        return AuthNode(self.kv, self.clock, monotonic=self.monotonic, shared=self._shared)


def fail_writes(kv: MemoryKeyValueStore) -> MemoryKeyValueStore:
    """Make the store refuse every write, as on a failing disk."""
    kv._closed = True  # noqa: SLF001 - a disk that fails, and can be repaired
    return kv


def repair(kv: MemoryKeyValueStore) -> None:
    """Make the store accept writes again."""
    kv._closed = False  # noqa: SLF001 - see above
