"""Prints tables, and says what is missing when a table is empty."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from floorcast.model.text import printable

__all__ = ["print_table", "table_lines"]

Row = Sequence[str]


def print_table(heading: Row, rows: Sequence[Row], *, empty: str, indent: str = "") -> None:
    """Print the rows under their heading or, if there are none, the line ``empty``."""
    for line in table_lines([heading, *rows], indent) if rows else [f"{indent}{empty}"]:
        print(line)


def table_lines(rows: Sequence[Row], indent: str = "") -> Iterator[str]:
    """Yield the rows as lines with aligned columns.

    Wide characters take two cells of a terminal. Unprintable ones are replaced, because names come
    from sources, whose control characters could change what the terminal shows.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        )
        yield (indent + "  ".join(cells)).rstrip()


def _width(text: str) -> int:
    """Return the number of a terminal's cells that a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(one) else 1 + (unicodedata.east_asian_width(one) in "WF")
        for one in text
    )
