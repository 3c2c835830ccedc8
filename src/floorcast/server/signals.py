"""The signals that stop or reload a program that runs for a long time.

SIGHUP means either that the program should reload, or that its terminal was closed. Without a
handler, it ends the process before it has written a snapshot.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["handle_hangup", "ignore_hangup", "ignoring_signals_at_exit"]

SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


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


@contextmanager
def ignoring_signals_at_exit() -> Iterator[Callable[[], None]]:
    """Ignore the signals from the end of the block on, if the yielded function was called.

    The function is for the time after the loop's last turn. When the loop is closed, the signals
    get their default action again, and a second SIGTERM would give the process the exit code of a
    failure, although all of its work is done.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finished = False

    def finish() -> None:
        nonlocal finished
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        finished = True

    yield finish
    if finished:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    pass
