"""Tests of the lines that list a site file's changes."""

from __future__ import annotations

from msgspec import structs

from floorcast.site.changes import differences
from floorcast.site.configuration import CallCenter, FloorConfig, Limits, SiteClient, TermCode, User

USER = User(id=1, name="u", password_hash="x", role="Manager", call_centers=(1, 2))
ACME = SiteClient(
    id=7,
    name="ACME",
    users=(USER,),
    floor_config=FloorConfig(feeds=("agent",), term_codes=(TermCode(code="Paid", category="wpc"),)),
)


def lines(old: SiteClient | None, new: SiteClient | None) -> list[tuple[str, ...]]:
    """Return the changes between two clients as plain tuples."""
    return [tuple(change) for change in differences(old, new)]


def test_equal_clients_have_no_changes() -> None:
    """There is no change between equal clients, or between two missing clients."""
    assert lines(ACME, structs.replace(ACME)) == []
    assert lines(None, None) == []


def test_a_clients_own_members_share_one_line() -> None:
    """The line has the old and new values of the name, the parent, the time zone and the feeds."""
    new = structs.replace(
        ACME,
        name="Acme",
        parent=1,
        floor_config=structs.replace(ACME.floor_config, time_zone="Asia/Tokyo", feeds=()),
    )
    assert lines(ACME, new) == [
        (
            "changed",
            "client 7 Acme",
            "name ACME → Acme, parent none → 1, time_zone UTC → Asia/Tokyo, feeds agent → none",
        )
    ]


def test_a_changed_limit_is_listed_with_its_name_in_the_file() -> None:
    """A limit that has changed is listed under the name that it has in the file."""
    new = structs.replace(ACME, limits=Limits(agents=5))
    assert lines(ACME, new) == [("changed", "client 7 ACME", "limits.agents 100000 → 5")]


def test_parts_are_listed_individually_and_without_hashes() -> None:
    """Parts are sorted by their numeric ids. A changed password is listed without its hash."""
    centers = tuple(CallCenter(id=number, name="c") for number in (2, 10))
    plan = FloorConfig(
        feeds=("agent",),
        call_centers=centers,
        term_codes=(TermCode(code="Paid", category="rpcComplete"),),
    )
    user = structs.replace(USER, password_hash="y", role="Auditor", call_centers=None)
    agent = structs.replace(USER, agent=True, role="Agent")
    new = structs.replace(ACME, users=(user, agent), floor_config=plan, ingest_keys=("f" * 64,))
    assert lines(ACME, new) == [
        ("added", "client 7 ACME, call center 2 c", ""),
        ("added", "client 7 ACME, call center 10 c", ""),
        ("changed", "client 7 ACME, term code Paid", "category wpc → rpcComplete"),
        (
            "changed",
            "client 7 ACME, user 1 u",
            "password, role Manager → Auditor, call_centers 1 2 → none",
        ),
        ("added", "client 7 ACME, login of agent 1 u", ""),
        ("added", "client 7 ACME, ingest key ffffffffffff", ""),
    ]
