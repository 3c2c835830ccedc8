"""Tests of a running server's site: lookups, and the detection of changes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from floorcast.kv.memory import MemoryKeyValueStore
from floorcast.kv.port import Item
from floorcast.kv.sqlite_kv import SqliteKeyValueStore
from floorcast.model.errors import SettingError
from floorcast.site.configuration import User
from floorcast.site.digests import digest
from floorcast.site.edits import add_user
from floorcast.site.live_site import Site, SiteChange, SiteDirectory
from tests.site.sites import SMALL, apply_text, run, small_store


def directory() -> SiteDirectory:
    """Return the directory of the small site."""
    return Site(small_store()).directory


def test_clients_are_found_by_id_and_by_name() -> None:
    """The id and the name lead to the same client."""
    found = directory()
    assert found.clients[2] is found.by_name["ACME West"]
    assert found.find_client("2") is found.find_client("ACME West") is found.clients[2]
    assert {found.find_client(other) for other in ("3", "", "²", "-1", "9" * 5_000)} == {None}
    assert list(found.clients) == [1, 2]
    assert (found.children(1), found.children(2), found.children(9)) == ((2,), (), ())
    assert (found.family(1), found.family(2)) == ((1, 2), (2,))


def test_users_and_agents_are_separate() -> None:
    """User names and agent logins are separate. Agents without a password cannot be found."""
    found = directory()
    ann, reports = found.user(1, "ANN", agent=True), found.user(1, "reports")
    assert ann is not None
    assert reports is not None
    assert (ann.id, ann.role, ann.agent) == (201, "Agent", True)
    assert (reports.id, reports.role, reports.agent) == (301, "Sysadmin", False)
    for nobody in (
        found.user(1, "ANN"),
        found.user(1, "reports", agent=True),
        found.user(1, "BOB", agent=True),
        found.user(2, "reports"),
        found.user(9, "reports"),
    ):
        assert nobody is None


def test_an_ingest_key_identifies_its_client() -> None:
    """A key leads to its client. The lookup uses only the key's digest."""
    found = directory()
    assert found.client_of_ingest_key(digest("ingest-key-of-acme-01")) == 1
    assert found.client_of_ingest_key("ingest-key-of-acme-01") is None


BOTH_HAVE_TEN = """
[[client]]
id = 1
name = "Parent"
call_center = [{id = 10, name = "Ten"}, {id = 11, name = "Eleven"}]

[[client.user]]
id = 1
name = "own"
password = "a long secret"
role = "Manager"
call_centers = [10]

[[client.user]]
id = 2
name = "childs"
password = "a long secret"
role = "Manager"
call_centers = [{client = 2, id = 10}]

[[client.user]]
id = 3
name = "mixed"
password = "a long secret"
role = "Manager"
call_centers = [{client = 3, id = 10}, 11, 12, {client = 1, id = 10}]

[[client.user]]
id = 4
name = "all"
password = "a long secret"
role = "Manager"

[[client.user]]
id = 5
name = "none"
password = "a long secret"
role = "Manager"
call_centers = []

[[client]]
id = 2
name = "Child"
parent = 1
call_center = [{id = 10, name = "Ten"}, {id = 12, name = "Twelve"}]

[[client]]
id = 3
name = "Grandchild"
parent = 2
call_center = [{id = 10, name = "Ten"}, {id = 12, name = "Twelve"}]
"""


@pytest.mark.parametrize(
    ("name", "centers"),
    [
        ("own", {(1, 10)}),
        ("childs", {(2, 10)}),
        ("mixed", {(1, 10), (1, 11), (2, 12), (3, 10), (3, 12)}),
        ("all", None),
        ("none", set()),
    ],
)
def test_a_limit_refers_to_one_clients_call_center(
    name: str, centers: set[tuple[int, int]] | None
) -> None:
    """A plain id refers to the client's own call center, or else to any child's call center."""
    kv = MemoryKeyValueStore()
    apply_text(BOTH_HAVE_TEN, kv)
    found = Site(kv).directory
    user = found.user(1, name)
    assert user is not None
    found_centers = (
        None if user.call_centers is None else found.call_centers_of(1, user.call_centers)
    )
    assert found_centers == centers


def test_limits_stored_by_an_earlier_release_still_work() -> None:
    """Plain ids still work. A limit whose call center is gone shows nothing."""
    kv = MemoryKeyValueStore()
    apply_text(BOTH_HAVE_TEN, kv)
    raw = kv.get("site", "1")
    assert raw is not None
    assert b'"call_centers":[10]' in raw
    assert Site(kv).directory.call_centers_of(1, (10, 99)) == frozenset({(1, 10)})
    assert Site(kv).directory.call_centers_of(2, (10, 99)) == frozenset({(2, 10)})


def test_a_service_belongs_to_the_own_client_unless_only_a_child_declares_it() -> None:
    """If only a child client declares a service, the service belongs to that child."""
    kv = MemoryKeyValueStore()
    text = BOTH_HAVE_TEN.replace('name = "Parent"', 'name = "P"\nservice = [{id = 1, name = "a"}]')
    text = text.replace(
        'name = "Child"', 'name = "C"\nservice = [{id = 1, name = "a"}, {id = 2, name = "b"}]'
    )
    apply_text(text, kv)
    found = Site(kv).directory
    assert found.services_of(1, (1, 2, 3)) == {(1, 1), (2, 2), (1, 3)}
    assert found.services_of(1, ()) == frozenset()


def test_an_empty_site_finds_no_users() -> None:
    """A server without a site has no clients, and finds no user."""
    found = SiteDirectory()
    assert not found.clients
    assert found.user(1, "reports") is None


USER = User(id=900, name="made", password_hash="$argon2id$", role="Auditor")


def test_an_unchanged_site_notifies_no_listener() -> None:
    """A second check reads nothing and calls no listener."""
    site = Site(small_store())
    changes: list[SiteChange] = []
    site.on_change(changes.append)
    assert site.reload() is None
    assert run(site.refresh()) is None
    assert (changes, site.generation) == ([], 1)


def test_a_change_is_reported_with_the_changed_plans() -> None:
    """The change includes only the clients whose floor configuration is new or different."""
    kv = small_store()
    site = Site(kv)
    changes: list[SiteChange] = []
    site.on_change(changes.append)
    apply_text(
        SMALL.replace("Sales", "Sale").replace("test-token-of-acme-02", "test-token-of-acme-03"), kv
    )
    change = run(site.refresh())
    assert change is not None
    assert (set(change.floor_configs), change.removed) == ({1}, ())
    assert change.floor_configs[1].services[0].name == "Sale"
    assert changes == [change]
    apply_text(SMALL.partition("\n[[client]]\nid = 2")[0], kv)
    change = site.reload()
    assert change is not None
    assert (set(change.floor_configs), change.removed) == ({1}, (2,))
    assert (set(site.clients), set(site.by_name)) == ({1}, {"ACME"})
    assert site.generation == 3


def test_a_new_user_changes_no_plan() -> None:
    """A new user changes the site, but not the configuration of any floor."""
    kv = small_store()
    site = Site(kv)
    untouched = site.clients[2]
    run(add_user(kv, 1, USER))
    assert run(site.refresh()) == SiteChange({}, ())
    assert site.user(1, "made") == USER
    assert site.clients[2] is untouched


def test_changes_by_another_process_are_noticed(tmp_path: Path) -> None:
    """A site in a file sees what another connection writes."""
    declared = small_store().get("site", "1")

    async def notice() -> bool:
        ours, theirs = (SqliteKeyValueStore(tmp_path / "admin.db") for _ in range(2))
        site = Site(ours)
        assert not site.clients
        await theirs.write([Item("site", "1", declared)])
        change = await site.refresh()
        assert change is not None
        assert list(change.floor_configs) == [1]
        await add_user(theirs, 1, USER)
        await site.refresh()
        await asyncio.gather(ours.close(), theirs.close())
        return site.user(1, "made") == USER

    assert run(notice())


def test_an_undecodable_site_is_refused_and_the_old_one_stays() -> None:
    """If the stored site is damaged, a ``SettingError`` is raised, and no part of it is used."""
    kv = small_store()
    site = Site(kv)
    run(kv.write([Item("site", "1", b'{"id": 1}')]))
    with pytest.raises(SettingError, match="stored site cannot be decoded"):
        run(site.refresh())
    assert set(site.clients) == {1, 2}
    with pytest.raises(SettingError, match="stored site"):
        Site(kv)


def test_concurrent_refreshes_report_a_change_once() -> None:
    """Only the first of five concurrent refreshes reports the change."""
    kv = MemoryKeyValueStore()
    site = Site(kv)
    changes: list[SiteChange] = []
    site.on_change(changes.append)
    apply_text(SMALL, kv)

    async def ask() -> list[SiteChange | None]:
        return await asyncio.gather(*(site.refresh() for _ in range(5)))

    assert [change is None for change in run(ask())] == [False, True, True, True, True]
    assert len(changes) == 1
