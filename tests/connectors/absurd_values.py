"""Values that no correct PBX sends, and changes that put them into real messages."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hypothesis import strategies as st

__all__ = ["ABSURD", "Change", "absurd_texts", "apply_changes", "changes"]

ABSURD = (
    "", "0", "-1", "1.5", "1e308", "-1e308", "NaN", "inf", "12abc", "0x10", "1_000", " 5", "\u0663",
    "4102444800", "8589934591", "8589934592", "9999999999", "-9999999999", "999999999999999",
    "1" + 30 * "0", "|", "null", "x" * 300, "\U0001f4de" * 3000,
)  # fmt: skip

Message = dict[str, str]
Change = tuple[int, int, str | None]


def absurd_texts() -> st.SearchStrategy[str]:
    """Return absurd values and random text without line breaks."""
    return st.sampled_from(ABSURD) | st.text(max_size=20).map(lambda one: "".join(one.splitlines()))


def changes(least: int, most: int) -> st.SearchStrategy[list[Change]]:
    """Return changes of messages. A message and a header are numbered, and None removes it."""
    number = st.integers(0, 9999)
    change = st.tuples(number, number, st.none() | absurd_texts())
    return st.lists(change, min_size=least, max_size=most)


def apply_changes(
    messages: Sequence[Message], made: Sequence[Change], ignored: re.Pattern[str] | None = None
) -> list[Message]:
    """Return the messages with these changes. Headers that match ``ignored`` are not changed."""
    found = [dict(one) for one in messages]
    for index, header, value in made:
        message = found[index % len(found)]
        names = sorted(one for one in message if not (ignored and ignored.fullmatch(one)))
        if names and value is None:
            del message[names[header % len(names)]]
        elif names and value is not None:
            message[names[header % len(names)]] = value
    return found
