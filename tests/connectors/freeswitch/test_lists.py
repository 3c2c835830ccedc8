"""Tests of the lists that ``callcenter_config`` prints."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.connectors.freeswitch.lists import number_in, parse_list
from floorcast.model.errors import Unavailable


def test_the_first_row_names_the_columns() -> None:
    """A | in a contact or a caller's name does not split a column. An empty list has no header."""
    assert parse_list("+OK\n", "agent list") == []
    text = "name|contact|status\n1001|user/1|sofia/2|error/x|Available\n+OK\n"
    contact = "user/1|sofia/2|error/x"
    assert parse_list(text, "") == [{"name": "1001", "contact": contact, "status": "Available"}]
    text = "queue|cid_name|state\nsales|Jo | Doe|Waiting\n+OK\n"
    assert parse_list(text, "") == [{"queue": "sales", "cid_name": "Jo | Doe", "state": "Waiting"}]


def test_a_row_with_the_wrong_number_of_columns_is_skipped() -> None:
    """Rows of the wrong length are skipped. A line break in a name produces two such rows."""
    text = "queue|agent|level\nsales|An\nna|1\nsales|Bob|1\na|b|c|d\n+OK\n"
    assert parse_list(text, "") == [{"queue": "sales", "agent": "Bob", "level": "1"}]


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ("-ERR callcenter_config Command not found!\n", "load mod_callcenter"),
        ("-ERR permission denied\n", "esl-allowed-api"),
        ("-USAGE: ...", "refuses 'agent list'"),
        ("name|status\nAn", "refuses"),
    ],
)
def test_an_invalid_list_is_rejected_with_a_remedy(reply: str, message: str) -> None:
    """A truncated list is rejected, because it would log out the agents that are missing."""
    with pytest.raises(Unavailable, match=message):
        parse_list(reply, "agent list")


@given(st.text())
def test_any_reply_is_parsed_or_rejected(text: str) -> None:
    """Any reply is either parsed as a list or rejected."""
    try:
        rows = parse_list(text + "\n+OK", "agent list")
    except Unavailable:
        return
    assert all(isinstance(number_in(row, name), float) for row in rows for name in row)
