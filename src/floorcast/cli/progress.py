"""How far a command is: a bar on a terminal, plain lines elsewhere, both on standard error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

__all__ = ["Shown", "Silent", "shown"]


class Shown(Protocol):
    """What is told while events are sent."""

    def reached(self, sent: int) -> None:
        """So many events have been answered."""

    def waits(self, seconds: float, why: str) -> None:
        """Nothing moves for so many seconds."""


class Silent:
    """Shows nothing."""

    def reached(self, sent: int) -> None:
        """Say nothing."""

    def waits(self, seconds: float, why: str) -> None:
        """Say nothing."""


class Bar:
    """One line that is drawn over."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def reached(self, sent: int) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=sent, note="")

    def waits(self, seconds: float, why: str) -> None:
        """Say why beside the bar."""
        self._progress.update(self._task, note=f"{why}; again in {seconds:.1f} s")


class Lines:
    """A line each tenth of the way, and one a wait."""

    def __init__(self, console: Console, total: int, what: str) -> None:
        self._console = console
        self._total = total
        self._what = what
        self._tenths = 0

    def reached(self, sent: int) -> None:
        """Print a line when another tenth is done."""
        tenths = sent * 10 // self._total
        if tenths > self._tenths:
            self._tenths = tenths
            self._print(f"{sent} of {self._total} {self._what}")

    def waits(self, seconds: float, why: str) -> None:
        """Print why."""
        self._print(f"{why}; again in {seconds:.1f} s")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def shown(total: int, what: str = "events") -> Iterator[Shown]:
    """Show the way to ``total`` events (or what it is), as fits what standard error is."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines(console, total, what)
        return
    note = TextColumn("{task.fields[note]}", markup=False)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), note)
    with Progress(*columns, console=console) as progress:
        yield Bar(progress, progress.add_task(what, total=total, note=""))
