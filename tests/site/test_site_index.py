"""Looking things up in a site."""

from __future__ import annotations

from floorcast.site.digests import digest
from floorcast.site.live_site import Site
from floorcast.site.site_index import Directory
from tests.site.sites import small


def directory() -> Directory:
    """The small site's."""
    return Site(small()).directory


def test_clients_are_found_by_id_and_by_name() -> None:
    """Both ways lead to the same client."""
    found = directory()
    assert found.clients[2] is found.by_name["ACME West"]
    assert list(found.clients) == [1, 2]
    assert (found.children(1), found.children(2), found.children(9)) == ((2,), (), ())
    assert (found.family(1), found.family(2)) == ((1, 2), (2,))


def test_users_and_agents_are_apart() -> None:
    """A user's name is no agent's login, and only an agent with a password is there."""
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


def test_an_ingest_key_is_its_clients() -> None:
    """Found by its digest, never by itself."""
    found = directory()
    assert found.client_of_ingest_key(digest("ingest-key-of-acme-01")) == 1
    assert found.client_of_ingest_key("ingest-key-of-acme-01") is None


def test_an_empty_site_knows_nobody() -> None:
    """A server without a site answers everything with no."""
    found = Directory()
    assert not found.clients
    assert found.user(1, "reports") is None
