"""Tests that every table in the documentation is rendered with all its cells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.golden.pages import DOCS, ROOT

PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
FENCED = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
SEPARATOR = re.compile(r"(?<!\\)\|")  # GitHub splits a row at these, even within backticks


def ragged_rows(text: str) -> Iterator[str]:
    """Yield the rows that have more or fewer cells than their header."""
    separators = 0  # of the header; 0 outside a table
    for line in FENCED.sub("", text).splitlines():
        row = line.strip()
        found = len(SEPARATOR.findall(row)) if row.startswith("|") else 0
        if separators and found and found != separators:
            yield row
        separators = (separators or found) if found else 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_row_has_as_many_cells_as_its_header(page: Path) -> None:
    """A renderer drops cells beyond the header's, and a ``|`` in a code span starts a cell."""
    assert list(ragged_rows(page.read_text("utf-8"))) == []


def test_a_pipe_in_a_code_span_needs_a_backslash() -> None:
    """The check finds a row that an unescaped ``|`` splits, and accepts an escaped one."""
    table = '| what | query |\n|---|---|\n| agents | `{{state=~"In Call{}Hold"}}` |\n'
    assert list(ragged_rows(table.format("|"))) == [table.format("|").splitlines()[2]]
    assert list(ragged_rows(table.format("\\|"))) == []
