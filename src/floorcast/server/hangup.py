"""SIGHUP, which means either that a program should reload, or that its terminal was closed.

Without a handler, SIGHUP ends the process before it has written a snapshot.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from types import FrameType

__all__ = ["handle_hangup", "ignore_hangup"]


def ignore_hangup() -> None:
    """Ignore SIGHUP until ``handle_hangup`` is called."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        # SIG_IGN would be inherited by child processes
        signal.signal(signal.SIGHUP, _do_nothing)


def handle_hangup(reload: Callable[[], object], stop: Callable[[], object]) -> None:
    """Call ``reload`` on SIGHUP, or ``stop`` if the process had a terminal that is now closed.

    A process that was started with SIGHUP ignored (nohup) survives the end of its terminal.
    """
    survives = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    terminals = () if survives else tuple(filter(os.isatty, range(3)))

    def handle() -> None:
        closed = terminals and not any(map(os.isatty, terminals))
        (stop if closed else reload)()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, handle)


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    pass
