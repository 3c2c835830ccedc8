"""Tests of the table that fits a terminal."""

from __future__ import annotations

import io

from rich.console import Console
from rich.text import Text

from floorcast.cli.fitted_table import Column, fit_table

COLUMNS = (
    Column("service", shrinks=True, left=True),
    Column("SL"),
    Column("talk", leaves=1),
    Column("ASA", leaves=2),
)


def drawn(width: int) -> list[str]:
    """Return the lines of a table with one row."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    row = [Text(cell) for cell in ("Long distance", "99.9 %", "250", "12:34")]
    with console.capture() as capture:
        console.print(fit_table(COLUMNS, [row], width))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_a_wide_terminal_shows_everything() -> None:
    """Columns are two characters apart."""
    assert drawn(80) == [
        "service            SL  talk    ASA",
        "Long distance  99.9 %   250  12:34",
    ]


def test_names_are_cut_before_columns_leave() -> None:
    """The gaps shrink first, and no figure is cut."""
    assert drawn(31)[1] == "Long distance 99.9 %  250 12:34"
    assert drawn(28)[1] == "Long dist… 99.9 %  250 12:34"
    assert drawn(25)[1] == "Long distance 99.9 %  250"
    assert drawn(18)[1] == "Long dista… 99.9 %"


def test_an_empty_table_is_its_heading() -> None:
    """No row is needed."""
    console = Console(file=io.StringIO(), width=40, color_system=None)
    with console.capture() as capture:
        console.print(fit_table(COLUMNS, [], 40))
    assert capture.get().split() == ["service", "SL", "talk", "ASA"]
