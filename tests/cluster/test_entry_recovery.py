"""A damaged log entry is fetched from another node, or rebuilt from its stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from floorcast.log.damage import damaged_entries
from floorcast.sqlite.files import remove
from tests.cluster.town import STREAM, Town, follow, linked, page, sms, town_of
from tests.log.damaging import flip, leaf_of, zero_page
from tests.nats_servers import NatsServers, comes_about
from tests.real.nodes import House
from tests.real.sites import ACME, KEYS

KEY = {"Authorization": f"Bearer {KEYS['ACME']}", "Content-Type": "application/x-ndjson"}
TAKEN = 50  # requests
PADDING = "x" * 900  # several entries per page


@pytest.fixture
def town(nats_server: NatsServers) -> Iterator[Town]:
    """Yield a cluster without nodes."""
    with town_of(nats_server) as one:
        yield one


def named(number: int) -> str:
    return f"{number}-{PADDING}-"


def fill(node: House) -> None:
    """Send requests that each repeat the previous event, so that no entry is a whole message."""
    for number in range(TAKEN):
        node.take(sms(named(number), named(number + 1)))


def flip_one(data: Path) -> None:
    """Change a byte of one entry."""
    flip(data / "log.db", b'"' + named(5).encode())


def zero_some(data: Path) -> None:
    """Change a page with several entries in the middle of the log."""
    zero_page(data / "log.db", leaf_of(data / "log.db", "entries", 1))


Damage = Callable[[Path], None]


def damage(node: House, how: Damage, *, derived: bool) -> list[int]:
    """Stop a node, damage its log, and make the next start read the whole log.

    Returns the damaged entries.
    """
    node.close()
    how(node.data)
    for name in ("mirror.db", "keys.db") if derived else ("mirror.db",):
        remove(node.data / name)
    return [one.number for one in damaged_entries(node.data) if one.client == ACME]


def catch_up(node: House, other: House) -> None:
    """Wait until a node has all entries of another node."""
    logs = node.node.server.log, other.node.server.log
    node.run(comes_about(lambda: logs[0].head(ACME) == logs[1].head(ACME)))


def feed(node: House, session: str, begin: str) -> list[dict[str, Any]]:
    """Return all events that the node has in the feed."""
    return follow(node, session, begin, TAKEN + 1)[0]


def restored(logged: list[Any]) -> list[tuple[int, str]]:
    return [(one["entry"], one["source"]) for one in logged if one["event"] == "entry_restored"]


@pytest.mark.parametrize(("how", "derived"), [(flip_one, False), (zero_some, True)])
def test_another_node_gives_what_the_disk_has_damaged(
    town: Town, how: Damage, derived: bool
) -> None:
    """Readers see every event once, and the server logs the recovery."""
    one, other = town.open(node="one"), town.open(node="other")
    session = one.login()
    begin = page(one, session, "")["token"]
    fill(one)
    before = feed(one, session, begin)
    other.run(
        comes_about(lambda: other.node.server.log.head(ACME) == one.node.server.log.head(ACME))
    )
    lost = damage(one, how, derived=derived)
    assert lost
    with capture_logs() as logged:
        one.open()
        assert feed(one, session, begin) == before
    assert restored(logged) == [(number, "other") for number in lost]
    assert one.take(sms(*map(named, range(TAKEN + 1))))["duplicates"] == TAKEN + 1
    one.close()
    assert list(damaged_entries(one.data)) == []


async def keep_the_last(url: str) -> None:
    """Make the stream forget all messages but the last."""
    async with linked(url) as link:
        config = (await link.api(f"STREAM.INFO.{STREAM}"))["config"]
        await link.api(f"STREAM.UPDATE.{STREAM}", {**config, "max_msgs": 1})


@pytest.mark.parametrize("how", [flip_one, zero_some])
def test_the_stream_gives_it_where_no_other_node_answers(town: Town, how: Damage) -> None:
    """The entry is rebuilt without the duplicate events of its message."""
    one = town.open()
    session = one.login()
    begin = page(one, session, "")["token"]
    fill(one)
    before = feed(one, session, begin)
    lost = damage(one, how, derived=True)
    with capture_logs() as logged:
        one.open()
        assert feed(one, session, begin) == before
    assert [number for number, _ in restored(logged)] == lost
    assert all(source.startswith("FLOORCAST_") for _, source in restored(logged))
    assert one.take(sms(named(5), named(6)))["duplicates"] == 2


def test_a_node_whose_own_entry_is_damaged_gives_none(town: Town) -> None:
    """If the stream is empty, too, no node has the entry. The client waits for the operator."""
    one, other = town.open(), town.open()
    fill(one)
    other.run(
        comes_about(lambda: other.node.server.log.head(ACME) == one.node.server.log.head(ACME))
    )
    for node in (one, other):
        damage(node, flip_one, derived=False)
    one.run(keep_the_last(town.url))
    with capture_logs() as logged:
        for node in (one, other):
            node.open()
    assert restored(logged) == []
    told = {one["entry"] for one in logged if one["event"] == "entry_damaged"}
    assert len(told) == 1
    answer = one.ask("POST", "/ingest/v1/events", content=sms("x"), headers=KEY)
    assert answer.status_code == 503
