"""Tests of the plain notation in help."""

from __future__ import annotations

import pytest

from floorcast.cli.help_lines import plain_name, plain_text, plain_usage


@pytest.mark.parametrize(
    ("piece", "shown"),
    [("{FILE}", "FILE"), ("{HOST…}...", "HOST…"), ("[NAME]", "[NAME]"), ("[OPTIONS]", "[OPTIONS]")],
)
def test_usage_has_no_braces(piece: str, shown: str) -> None:
    """Brackets still mean that a part can be omitted."""
    assert plain_usage(piece) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("NAME <str>", "NAME"),
        ("--format <csv|parquet>", "--format csv|parquet"),
        ("--url URL",) * 2,
    ],
)
def test_names_have_no_python_type(name: str, shown: str) -> None:
    """Choices are kept."""
    assert plain_name(name) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("The port.  [1<=x<=65535]", "The port. [from 1 to 65,535]"),
        ("The time.  [default: 2.0; 0.5<=x<=3600]", "The time. [default: 2.0; from 0.5 to 3,600]"),
        ("The load. [default: 5]  [x>=0]", "The load. [default: 5; at least 0]"),
        ("The id. Default: the next one.  [x>=0]", "The id. [default: the next one; at least 0]"),
        ("The CA. Default: the machine's CAs.", "The CA. [default: the machine's CAs]"),
        ("Nothing to change.", "Nothing to change."),
    ],
)
def test_texts_have_bounds_and_defaults_in_words(text: str, shown: str) -> None:
    """All notes are in one pair of brackets at the end."""
    assert plain_text(text) == shown
