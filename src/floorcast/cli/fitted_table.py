"""A table for a terminal of any width that never cuts a figure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from rich.table import Table
from rich.text import Text

__all__ = ["Column", "fit_table"]

WIDE_GAP, GAP = 2, 1  # characters between two columns, and if the table is too wide
MIN_NAME = 8  # characters to which a column of names can shrink


class Column(Struct, frozen=True):
    """A column. ``shrinks`` is true for names, which may be cut, and false for figures.

    If the table is too wide, the column with the highest ``leaves`` leaves first. Columns with 0
    always stay.
    """

    heading: str
    leaves: int = 0
    shrinks: bool = False
    left: bool = False


def fit_table(columns: Sequence[Column], rows: Sequence[Sequence[Text]], width: int) -> Table:
    """Return a table of at most ``width`` characters, as far as columns can leave or shrink."""
    widths = [
        max(len(column.heading), *(row[at].cell_len for row in rows), 0)
        for at, column in enumerate(columns)
    ]
    fits = sum(widths) + WIDE_GAP * (len(columns) - 1) <= width
    shown = _remaining(columns, widths, width)
    widths = _shrunk(columns, widths, shown, width)
    table = Table(box=None, pad_edge=False, padding=(0, WIDE_GAP if fits else GAP, 0, 0))
    for at in shown:
        table.add_column(
            columns[at].heading,
            justify="left" if columns[at].left else "right",
            width=widths[at],
            no_wrap=True,
            overflow="ellipsis",
        )
    for row in rows:
        table.add_row(*(row[at] for at in shown))
    return table


def _remaining(columns: Sequence[Column], widths: Sequence[int], width: int) -> list[int]:
    """Return the positions of the columns that stay."""
    shown = list(range(len(columns)))

    def least(at: int) -> int:
        return min(widths[at], MIN_NAME) if columns[at].shrinks else widths[at]

    while sum(map(least, shown)) + GAP * (len(shown) - 1) > width:
        leaving = max(shown, key=lambda at: columns[at].leaves)
        if not columns[leaving].leaves:
            break
        shown.remove(leaving)
    return shown


def _shrunk(
    columns: Sequence[Column], widths: Sequence[int], shown: Sequence[int], width: int
) -> list[int]:
    """Return the widths after the longest names have been cut as far as necessary."""
    found = list(widths)
    names = [at for at in shown if columns[at].shrinks]
    excess = sum(found[at] for at in shown) + GAP * (len(shown) - 1) - width
    while excess > 0 and names:
        longest = max(names, key=lambda at: found[at])
        if found[longest] <= MIN_NAME:
            break
        found[longest] -= 1
        excess -= 1
    return found
