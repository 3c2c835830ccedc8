"""A small site with everything that logging in needs, and a clock that tests set."""

from __future__ import annotations

from floorcast.auth.credentials import Credentials
from floorcast.auth.passwords import Passwords
from floorcast.auth.sessions import Sessions
from floorcast.auth.throttle import Lockout
from floorcast.kv.memory import MemoryBuckets
from floorcast.kv.port import Buckets
from floorcast.model.token import TICKS_PER_SECOND
from floorcast.site.live_site import Site
from tests.site.sites import CHEAP, small

__all__ = ["CHEAP", "Clock", "Door"]


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.ticks = 1_700_000_000 * TICKS_PER_SECOND

    def __call__(self) -> int:
        return self.ticks

    def go(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.ticks += round(seconds * TICKS_PER_SECOND)


class Door:
    """The small site's sessions; ``restarted`` gives those of the next process."""

    def __init__(
        self, buckets: Buckets | None = None, clock: Clock | None = None, *, shared: bool = False
    ) -> None:
        self._shared = shared
        self.clock = clock or Clock()
        self.buckets = buckets or small()
        self.site = Site(self.buckets)
        self.passwords = Passwords(CHEAP)
        self.lockout = Lockout(MemoryBuckets(), self.clock)
        credentials = Credentials(self.site, self.passwords, self.lockout)
        self.sessions = Sessions(
            self.site, self.buckets, credentials, self.passwords, self.clock, shared=shared
        )

    def restarted(self) -> Door:
        """What comes up after a crash: nothing of the old process but what is on disk."""
        self.passwords.close()
        return Door(self.buckets, self.clock, shared=self._shared)


def closed(buckets: MemoryBuckets) -> MemoryBuckets:
    """Buckets that refuse everything, as a failing disk does."""
    buckets._closed = True  # noqa: SLF001 - a disk that fails, and can be mended
    return buckets


def mended(buckets: MemoryBuckets) -> None:
    """The same buckets, working again."""
    buckets._closed = False  # noqa: SLF001 - see above
