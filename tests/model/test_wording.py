"""Tests of the descriptions of expected values."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct

from floorcast.model.wording import describe_expected, number, one_of, whole_number


class Inner(Struct):
    """A table within a table."""

    size: Annotated[int, Meta(ge=0, le=86_400)] | None = None
    name: Annotated[str, Meta(min_length=1, max_length=1024)] = "x"


class Outer(Struct):
    """The types to describe."""

    count: int = 0
    share: float = 0.0
    on: bool = False
    word: str = ""
    digits: Annotated[str, Meta(pattern="^[0-9]+$")] = ""
    feed: Literal["agent", "interaction"] = "agent"
    either: int | str = 0
    inner: tuple[Inner, ...] = ()
    names: tuple[str, ...] = ()
    by_name: dict[str, Inner] = {}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (["count"], "a whole number"),
        (["share"], "a number"),
        (["on"], "true or false"),
        (["word"], "a string"),
        (["digits"], "a string of digits"),
        (["feed"], "agent or interaction"),
        (["either"], "a whole number or a string"),
        (["inner"], "a list of tables (in double brackets)"),
        (["inner", "", "size"], "a whole number from 0 to 86,400"),
        (["inner", "", "name"], "a string of 1 to 1,024 characters"),
        (["names"], "a list, each a string"),
        (["names", ""], "a string"),
        (["by_name", "", "size"], "a whole number from 0 to 86,400"),
        ([], "a table"),
        (["nothing"], "a table"),
    ],
)
def test_a_members_description_comes_from_its_type(path: list[str], expected: str) -> None:
    """This includes lists and maps. A custom type gets its format's description."""
    assert describe_expected(Outer, path, "a table") == expected


def test_numbers_and_choices_are_described_consistently() -> None:
    """Thousands have separators, and the text for an unlimited number shows no limits."""
    assert whole_number() == "a whole number"
    assert whole_number(0, 65_535) == "a whole number from 0 to 65,535"
    assert number(0.1, 168) == "a number from 0.1 to 168"
    assert one_of(["a"]) == "a"
    assert one_of(["a", "b"]) == "a or b"
    assert one_of(["a", "b", "c"]) == "a, b or c"
