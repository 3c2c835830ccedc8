"""Progress of a command on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

__all__ = ["Shown", "Silent", "back_line", "shown", "wait_line"]

ITEMS_PER_LINE = 10  # counted items between two lines


def wait_line(seconds: float, why: str) -> str:
    """The reason for a wait, and when the next attempt follows."""
    return f"{why}; trying again in {math.ceil(seconds)} s"


def back_line(seconds: float) -> str:
    """Report that the server responds again."""
    return f"the server responds again after {math.ceil(seconds)} s"


class Shown(Protocol):
    """Shows progress while events are sent."""

    def reached(self, sent: int) -> None:
        """Show that this many events or minutes are done."""

    def waits(self, seconds: float, why: str) -> None:
        """Show that nothing has happened for this many seconds."""

    def back(self, seconds: float) -> None:
        """Show that the server responds again, after this many seconds."""


class Silent:
    """Shows nothing."""

    def reached(self, sent: int) -> None:
        """Say nothing."""

    def waits(self, seconds: float, why: str) -> None:
        """Say nothing."""

    def back(self, seconds: float) -> None:
        """Say nothing."""


class Bar:
    """A line that is redrawn in place."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def reached(self, sent: int) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=sent, note="")

    def waits(self, seconds: float, why: str) -> None:
        """Show the reason beside the bar."""
        self._progress.update(self._task, note=wait_line(seconds, why))

    def back(self, seconds: float) -> None:
        """Show the message beside the bar."""
        self._progress.update(self._task, note=back_line(seconds))


class Lines:
    """Prints a line per tenth (``ITEMS_PER_LINE`` if the end is unknown) and one per wait."""

    def __init__(self, console: Console, total: int | None, what: str) -> None:
        self._console = console
        self._total = total
        self._what = what
        self._steps = 0

    def reached(self, sent: int) -> None:
        """Print a line when another tenth is done."""
        steps = sent // ITEMS_PER_LINE if self._total is None else sent * 10 // self._total
        if steps > self._steps:
            self._steps = steps
            whole = "" if self._total is None else f" of {self._total}"
            self._print(f"{sent}{whole} {self._what}")

    def waits(self, seconds: float, why: str) -> None:
        """Print why."""
        self._print(wait_line(seconds, why))

    def back(self, seconds: float) -> None:
        """Say so."""
        self._print(back_line(seconds))

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def shown(total: int | None, what: str = "events") -> Iterator[Shown]:
    """Show the progress to ``total`` (None: no end) events, in a form that suits stderr."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines(console, total, what)
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    note = TextColumn("{task.fields[note]}", markup=False)
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(what, markup=False),
        TimeElapsedColumn(),
        note,
    )
    with Progress(*columns, console=console) as progress:
        yield Bar(progress, progress.add_task(what, total=total, note=""))
