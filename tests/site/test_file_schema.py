"""Tests of the floor configuration and the logins that a client in the file becomes."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from floorcast.site.configuration import Limits
from floorcast.site.file_reader import SiteFile
from floorcast.site.file_schema import FileClient
from tests.search import tries
from tests.site.sites import site_files


@settings(max_examples=tries(40))
@given(site_files(), st.randoms(use_true_random=False))
def test_the_order_of_tables_does_not_matter(site_file: SiteFile, random: Random) -> None:
    """A client with shuffled lists has the same floor configuration and logins."""
    for client in site_file.clients:
        shuffled = shuffle(client, random)
        assert shuffled.floor_config() == client.floor_config()
        assert list(shuffled.logins()) == list(client.logins())


def shuffle(client: FileClient, random: Random) -> FileClient:
    """Return the client with every list in a random order."""
    lists = {
        field.name: tuple(random.sample(value, len(value)))
        for field in structs.fields(client)
        if isinstance(value := getattr(client, field.name), tuple)
    }
    return structs.replace(client, **lists)


def test_a_plan_contains_no_secrets() -> None:
    """The floor configuration, which is written to the log, has no passwords or keys."""
    client = FileClient(id=1, name="A", api_tokens=("t",), ingest_keys=("k",))
    assert not {"password", "api_tokens", "users"} & set(client.floor_config().__struct_fields__)


def test_a_plan_contains_no_limits() -> None:
    """The floor configuration has no limits, because they must not affect how events are folded."""
    client = FileClient(id=1, name="A")
    limited = structs.replace(client, limits=Limits(agents=1))
    assert limited.floor_config() == client.floor_config()


def test_the_documentation_lists_the_limits_and_their_defaults() -> None:
    """docs/site.md has a row for each limit, with its default, in order."""
    text = (Path(__file__).parents[2] / "docs" / "site.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", text, re.MULTILINE)
    defaults = structs.asdict(Limits())
    assert [(name, int(default.replace(",", ""))) for name, default in rows] == list(
        defaults.items()
    )
