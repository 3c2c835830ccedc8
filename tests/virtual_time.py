"""An event loop with a virtual clock, on which waiting takes no real time.

When no task can run, the clock jumps to the next timer. Work for threads runs directly on the loop,
so that the clock does not move during this work.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple, Unpack

from floorcast.model.token import TICKS_PER_SECOND

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_THREADS = 5.0  # real seconds to wait for a thread when no task can run and no timer is set
START = 1_700_000_000 * TICKS_PER_SECOND  # 2023-11-14T22:13:20Z


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that moves the clock instead of sleeping."""

    jump: Callable[[float], None]

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events and timeout:
            self.jump(timeout)
        elif not events and timeout is None:
            events = super().select(_THREADS)
            if not events:
                raise RuntimeError("deadlock: every task waits, and no timer is set")
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with a virtual clock. ``elapsed`` is the time since the loop's start in s."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        selector = _JumpingSelector()
        selector.jump = self._jump
        super().__init__(selector)

    def _jump(self, seconds: float) -> None:
        self.elapsed += seconds

    def time(self) -> float:
        """Return the loop's time in seconds."""
        return self.elapsed

    def now(self) -> int:
        """Return the current time in ticks. The loop starts at ``START``."""
        return START + round(self.elapsed * TICKS_PER_SECOND)

    async def passing(self, seconds: float) -> None:
        """Let time pass, and run all tasks that are due in this time."""
        over = self.create_future()
        self.call_later(seconds, over.set_result, None)
        await over

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run the work on the loop, at once."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - the task that awaits it gets the error
            done.set_exception(error)
        return done


def run(work: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """Run ``work`` on a new loop until it is done. Returns its result."""
    loop = VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(work(loop))
