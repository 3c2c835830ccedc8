"""A client of the file as the floor and the login need it."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from floorcast.site.file_reader import SiteFile
from floorcast.site.file_schema import FileClient
from tests.site.sites import site_files


@settings(max_examples=40)
@given(site_files(), st.randoms(use_true_random=False))
def test_the_order_of_tables_does_not_matter(site_file: SiteFile, random: Random) -> None:
    """A file whose tables were shuffled has the same plan and logins."""
    for client in site_file.clients:
        shuffled = shuffle(client, random)
        assert shuffled.plan() == client.plan()
        assert list(shuffled.logins()) == list(client.logins())


def shuffle(client: FileClient, random: Random) -> FileClient:
    """The client with every list in another order."""
    lists = {
        field.name: tuple(random.sample(value, len(value)))
        for field in structs.fields(client)
        if isinstance(value := getattr(client, field.name), tuple)
    }
    return structs.replace(client, **lists)


def test_a_plan_has_no_secret() -> None:
    """What enters the log knows neither passwords nor keys."""
    client = FileClient(id=1, name="A", api_tokens=("t",), ingest_keys=("k",))
    assert not {"password", "api_tokens", "users"} & set(client.plan().__struct_fields__)
