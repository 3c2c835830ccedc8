"""Prints tables, and says what is missing when a table is empty."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

__all__ = ["print_table", "table_lines"]

Row = Sequence[str]


def print_table(heading: Row, rows: Sequence[Row], *, empty: str, indent: str = "") -> None:
    """Print the rows under their heading or, if there are none, the line ``empty``."""
    for line in table_lines([heading, *rows], indent) if rows else [f"{indent}{empty}"]:
        print(line)


def table_lines(rows: Sequence[Row], indent: str = "") -> Iterator[str]:
    """Yield the rows as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield (indent + "  ".join(cells)).rstrip()
