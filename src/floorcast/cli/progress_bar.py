"""Shows a command's progress on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from floorcast.cli.status_line import print_status

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["NoProgress", "ProgressDisplay", "recovery_line", "show_progress", "wait_line"]

ITEMS_PER_LINE = 10  # items between two lines if the total is unknown


def wait_line(seconds: float, why: str) -> str:
    """Return a line with the reason for a wait and the time until the next attempt."""
    return f"{why}; trying again in {math.ceil(seconds)} s"


def recovery_line(seconds: float) -> str:
    """Return a line that says that the server responds again."""
    return f"the server responds again after {math.ceil(seconds)} s"


class ProgressDisplay(Protocol):
    """Shows a command's progress."""

    def update(self, done: int, state: str = "") -> None:
        """Show that this many items are done. ``state`` says so in words, for an unknown total."""

    def report_wait(self, seconds: float, why: str) -> None:
        """Show that the command waits for this many seconds, and why."""

    def report_recovery(self, seconds: float) -> None:
        """Show that the server responds again, after this many seconds."""


class NoProgress:
    """Shows nothing."""

    def update(self, done: int, state: str = "") -> None:
        """Show nothing."""

    def report_wait(self, seconds: float, why: str) -> None:
        """Show nothing."""

    def report_recovery(self, seconds: float) -> None:
        """Show nothing."""


class ProgressBar:
    """A progress bar on a terminal."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def update(self, done: int, state: str = "") -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=done, state=state, note="")

    def report_wait(self, seconds: float, why: str) -> None:
        """Show the reason next to the bar."""
        self._progress.update(self._task, note=wait_line(seconds, why))

    def report_recovery(self, seconds: float) -> None:
        """Show the message next to the bar."""
        self._progress.update(self._task, note=recovery_line(seconds))


class ProgressLines:
    """Prints a line for each tenth of the total, and for each wait.

    If the total is unknown, prints the state for each ``ITEMS_PER_LINE`` items.
    """

    def __init__(self, total: int | None, what: str) -> None:
        self._total = total
        self._what = what
        self._steps = 0

    def update(self, done: int, state: str = "") -> None:
        """Print a line if another tenth is done."""
        steps = done // ITEMS_PER_LINE if self._total is None else done * 10 // max(1, self._total)
        if steps > self._steps:
            self._steps = steps
            reached = f"{done} of {self._total} {self._what}"
            self._print(state if self._total is None else reached)

    def report_wait(self, seconds: float, why: str) -> None:
        """Print the reason."""
        self._print(wait_line(seconds, why))

    def report_recovery(self, seconds: float) -> None:
        """Print that the server responds again."""
        self._print(recovery_line(seconds))

    def _print(self, line: str) -> None:
        print_status(line, error=True)


@contextmanager
def show_progress(
    total: int | None, what: str = "events", *, lines: bool = True
) -> Iterator[ProgressDisplay]:
    """Show the progress toward ``total`` items (None: unknown) in a form that suits stderr.

    If ``lines`` is false, nothing is shown unless stderr is a terminal.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield ProgressLines(total, what) if lines else NoProgress()
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    note = TextColumn("{task.fields[note]}", markup=False)
    columns: tuple[ProgressColumn, ...] = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(what, markup=False),
        TimeElapsedColumn(),
        note,
    )
    if total is None:
        columns = (TextColumn("{task.fields[state]}", markup=False), note)
    with Progress(*columns, console=console) as progress:
        yield ProgressBar(progress, progress.add_task(what, total=total, state="", note=""))
