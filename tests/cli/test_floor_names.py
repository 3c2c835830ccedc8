"""Tests of names in the filters of ``tail`` and ``top``."""

from __future__ import annotations

import pytest
import typer

from floorcast.cli.floor_names import FloorNames, has_names, resolve_names
from floorcast.client import Filter

NAMES = FloorNames({1: "Sales", 2: "Help"}, {7: "Austin"})


def test_names_become_ids() -> None:
    """Ids stay, even if nothing with this id has been active today."""
    given = Filter(service=("Sales", "99"), call_center=("Austin",), interaction_type=("SMS",))
    assert has_names(given)
    found = resolve_names(given, NAMES)
    assert (found.service, found.call_center) == ([1, "99"], [7])
    assert found.interaction_type == ("SMS",)
    assert not has_names(found)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Filter(service=("Sails",)), r"no service named Sails .* are Help \(2\), Sales \(1\)\. "),
        (Filter(call_center=("Bonn",)), r"no call center named Bonn .* are Austin \(7\)\. "),
    ],
)
def test_an_unknown_name_is_an_error_with_the_known_names(given: Filter, message: str) -> None:
    """An ignored name would widen the selection."""
    with pytest.raises(typer.BadParameter, match=message):
        resolve_names(given, NAMES)


def test_the_list_of_names_is_short() -> None:
    """A client may have thousands of services."""
    many = FloorNames({number: f"service {number}" for number in range(1, 1001)})
    with pytest.raises(typer.BadParameter) as failed:
        resolve_names(Filter(service=("x",)), many)
    assert len(failed.value.message) < 1_000
