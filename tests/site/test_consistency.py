"""Tests that the parts of a site file must be consistent."""

from __future__ import annotations

import pytest

from floorcast.model.errors import SettingError
from floorcast.site.file_reader import parse
from tests.site.sites import SMALL

DOES_NOT_FIT = [
    ("id = 1\n", "id = 1\nlimits = {agents = 1}\n", "client 1: limits.agents is 1, and the file"),
    ("id = 1\n", "id = 1\nlimits.services = 1\n", "client 1: limits.services is 1, and the file"),
    ("id = 2\n", "id = 1\n", "client 1: the id is used twice"),
    ("ACME West", "ACME", "client 'ACME': the name is used twice"),
    ("parent = 1", "parent = 9", "client 2: parent 9 is not a client of this file"),
    ("parent = 1", "parent = 2", "client 2: parent 2 is the client itself or below it"),
    ("id = 1\n", "id = 1\nparent = 2\n", "client 1: parent 2 is the client itself or below it"),
    ("America/New_York", "America", "client 1: time_zone 'America' is not an IANA time zone"),
    ("America/New_York", "../etc/passwd", "client 1: time_zone '../etc/passwd' is not an IANA"),
    ("id = 12", "id = 11", "client 1, call_center 11: the id is used twice"),
    ("id = 102", "id = 101", "client 1, service 101: the id is used twice"),
    ("Help", "Sales", "client 1, service Sales: the name is used twice"),
    ("id = 202", "id = 201", "client 1, agent 201: the id is used twice"),
    ("BOB", "ANN", "client 1, agent ANN: the login is used twice"),
    ("id = 302", "id = 301", "client 1, user 301: the id is used twice"),
    ('"north"', '"reports"', "client 1, user reports: the name is used twice"),
    (
        '{code = "Paid",',
        '{code = "Paid", category = "wpc"}, {code = "Paid",',
        "client 1, term_code Paid: the code is used twice",
    ),
    ("call_center = 11", "call_center = 21", "client 1, service 101: call_center 21 is not a"),
    ("[11]}", "[{client = 1, id = 21}]}", "call_centers: 1/21 is not a call_center of this client"),
    ("[11]}", "[{client = 9, id = 11}]}", "call_centers: 9/11 is not a call_center of this client"),
    ("[11]}", "[{client = 2}]}", "client 1, user 302, call_centers number 1: id is required"),
    ("[11]}", "['2/21']}", "user 302: call_centers[0] must be a whole number from 0 to "),
    ("[11]}", "[13]}", "client 1, user 302: call_centers: 13 is not a call_center of this client"),
    ('password = "correct horse", ', "", "client 1, user 301: password (or password_hash) is req"),
    (
        'password = "correct',
        'password_hash = "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA", password = "correct',
        "client 1, user 301: password and password_hash are both given",
    ),
    (
        'password = "ann',
        'password_hash = "ann',
        "client 1, agent 201: password_hash must be an encoded Argon2id hash",
    ),
    (
        '"test-token-of-acme-01"',
        '"to ken"',
        "client 1: api_tokens must consist of letters, digits and punctuation",
    ),
    (
        '"ingest-key-of-acme-01"',
        '"schlüssel"',
        "client 1: ingest_keys must consist of letters, digits and punctuation",
    ),
    (
        '"test-token-of-acme-01"',
        '"test-token-of-acme-01", "test-token-of-acme-01"',
        "client 1: api_tokens: the same token is given twice",
    ),
    (
        '"test-token-of-acme-01"',
        ", ".join(f'"test-token-of-acme-{number:02}"' for number in range(6)),
        "client 1: api_tokens: 6 are given; a client has at most 5",
    ),
    ('"correct horse"', '"correct hor"', "user 301: password must have 12 to 1024 characters"),
    ('"correct horse"', '"            "', "user 301: password must have 12 to 1024 characters"),
    ('"ann\'s own secret"', '"x"', "client 1, agent 201: password must have 12 to 1024 characters"),
    (
        'name = "reports", password = "correct horse"',
        'name = "the.reporter", password = "The.Reporter"',
        "client 1, user 301: password must not be the user's name",
    ),
    (
        'login = "ANN", password = "ann\'s own secret"',
        'login = "ANN.OF.THE.SOUTH", password = "ann.of.the.south"',
        "client 1, agent 201: password must not be the user's name",
    ),
    (
        '"test-token-of-acme-01"',
        '"test-token-of-acme"',
        "client 1: api_tokens must have 20 characters or more each",
    ),
    (
        '"ingest-key-of-acme-01"',
        '"ingest-key-of-acme"',
        "client 1: ingest_keys must have 20 characters or more each",
    ),
    (
        'api_tokens = ["test-token-of-acme-02"]',
        'ingest_keys = ["ingest-key-of-acme-01"]',
        "ingest_keys: the same key is given twice; a key belongs to one client",
    ),
    (
        'api_tokens = ["test-token-of-acme-02"]',
        'api_token_hashes = ["test-token-of-acme-02"]',
        "client 2: api_token_hashes must be SHA-256 hashes, each of 64 hexadecimal digits",
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "message"), DOES_NOT_FIT, ids=[one[2][:50] for one in DOES_NOT_FIT]
)
def test_each_inconsistency_has_its_message(old: str, new: str, message: str) -> None:
    """The message for each broken rule names the table, the key and the fix."""
    assert old in SMALL
    with pytest.raises(SettingError) as caught:
        parse(SMALL.replace(old, new, 1))
    assert message in str(caught.value)


def test_all_inconsistencies_are_reported_together() -> None:
    """The error message for a file with three mistakes has three lines."""
    text = SMALL.replace("Help", "Sales").replace("parent = 1", "parent = 9")
    with pytest.raises(SettingError) as caught:
        parse(text.replace("America/New_York", "X"))
    assert len(str(caught.value).splitlines()) == 3


def test_a_parents_user_may_be_limited_to_a_childs_call_center() -> None:
    """A user sees the child clients, so the user's limits may include their call centers."""
    parse(SMALL.replace("[11]}", "[11, 21]}"))


def test_a_childs_call_center_can_be_named_with_its_client() -> None:
    """The id alone is enough if the user's own client has no call center with this id."""
    for named in ("{client = 2, id = 21}", "21", "11, {client = 2, id = 21}"):
        assert parse(SMALL.replace("[11]}", f"[{named}]}}"))
