"""Waits for an unavailable or busy server, and retries. No I/O."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct

from floorcast.client.pacing import Backoff
from floorcast.client.steps import Sleep, Steps
from floorcast.model.errors import BadSession, RateLimited, Unavailable

__all__ = ["RecoveryCallback", "SessionNotYetKnown", "Timing", "WaitCallback", "with_retries"]

T = TypeVar("T")

WaitCallback = Callable[[float, str], None]
"""A function that is called before each pause, with its duration in seconds and the reason."""


RecoveryCallback = Callable[[float], None]
"""A function that is called when a response ends a wait, with the duration in seconds."""


def _ignore(*_: object) -> None:
    """Do nothing."""


class Timing(Struct, frozen=True, kw_only=True):
    """The maximum wait for a server, the functions that report a wait, and the clock.

    ``patience`` is the total time in seconds for which a method waits for an unavailable or busy
    server; a feed waits forever. ``waiting`` is called before each pause, and ``back`` once a
    response ends the wait. Tests can replace ``clock`` (seconds) and ``chance`` (0 to 1).
    """

    patience: float = 60.0
    waiting: WaitCallback = _ignore
    back: RecoveryCallback = _ignore
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random


class SessionNotYetKnown(Exception):
    """A node of a cluster refuses a session that another node has just opened."""

    def __init__(self, refused: BadSession) -> None:
        super().__init__(refused.message)
        self.refused = refused


def with_retries(
    once: Callable[[], Steps[T]], timing: Timing, patience: float | None = None
) -> Steps[T]:
    """Return the result of ``once``, which is retried while the server is unavailable or busy.

    Raises the error of the last attempt after ``patience`` (in seconds; by default, the patience of
    ``timing``).
    """
    backoff, waited = Backoff(timing.chance), 0.0
    longest = timing.patience if patience is None else patience
    while True:
        try:
            result = yield from once()
        except (RateLimited, Unavailable) as error:
            seconds = backoff.pause(error.retry_after)
            if waited + seconds > longest:
                raise
            timing.waiting(seconds, error.message)
        except SessionNotYetKnown as lagging:
            seconds = backoff.pause()
            if waited + seconds > longest:
                raise lagging.refused from None
            timing.waiting(seconds, lagging.refused.message)
        else:
            if waited:
                timing.back(waited)
            return result
        yield Sleep(seconds)
        waited += seconds
