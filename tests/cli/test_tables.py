"""Tests that tables are aligned, and that an empty table says what is missing."""

from __future__ import annotations

import pytest

from floorcast.cli.tables import print_table, table_lines


def test_columns_are_aligned() -> None:
    """Columns are as wide as their widest cell, and lines have no trailing spaces."""
    assert list(table_lines([("a", "bbb", ""), ("aaa", "b", "c")], "  ")) == [
        "  a    bbb",
        "  aaa  b    c",
    ]
    assert list(table_lines([])) == []


def test_wide_and_combining_characters_are_aligned() -> None:
    """A wide character takes two cells of a terminal, and a combining one takes none."""
    assert list(table_lines([("a", "b"), ("東京", "c"), ("e\u0301", "d")])) == [
        "a     b",
        "東京  c",
        "e\u0301     d",
    ]


def test_control_characters_are_replaced() -> None:
    """A source chooses names, which must neither move the cursor nor break a line."""
    assert list(table_lines([("\x1b[2Ja\nb", "c")])) == ["?[2Ja?b  c"]


def test_empty_table_is_one_line_without_a_heading(capsys: pytest.CaptureFixture[str]) -> None:
    """A heading without rows would leave open whether the table is empty or cut off."""
    print_table(("name", "id"), [("Ann", "7")], empty="nobody", indent=" ")
    print_table(("name", "id"), [], empty="nobody", indent=" ")
    assert capsys.readouterr().out == " name  id\n Ann   7\n nobody\n"
