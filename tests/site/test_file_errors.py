"""Tests that messages about a site file name the place and the expected type."""

from __future__ import annotations

import msgspec
import pytest

from floorcast.site.file_errors import convert, label
from floorcast.site.file_schema import SiteTables


@pytest.mark.parametrize(
    ("entry", "called"),
    [
        ({"id": 7, "name": "x"}, "user 7"),
        ({"login": "ANN", "name": "x"}, "user ANN"),
        ({"name": "x"}, "user x"),
        ({"code": "Paid"}, "user Paid"),
        ({"id": [], "name": {}}, "user number 3"),
        ("x", "user number 3"),
    ],
)
def test_a_table_is_identified_by_its_id_or_name(entry: object, called: str) -> None:
    """The label has the table's id, login, name or code, or else its number."""
    assert label("user", entry, 2) == called


def test_errors_describe_the_expected_value_of_every_key() -> None:
    """The message for a key has floorcast's own wording, and not the library's."""
    raw: dict[str, object] = {"client": [{"id": 1, "name": "A"}]}
    for key in SiteTables.__struct_fields__ and ("time_zone", "feeds", "parent", "service"):
        wrong = {"client": [{"id": 1, "name": "A", key: 1.5}]}
        _, mistakes = convert(wrong, SiteTables)
        (message,) = mistakes.lines
        assert message.startswith(f"client 1: {key} must be a")
        assert message.endswith(", not 1.5")
    assert msgspec.convert(raw, SiteTables).client[0].name == "A"
