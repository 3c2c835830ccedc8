"""What every adapter of the buckets' port does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.buckets.memory import MemoryBuckets
from floorcast.buckets.port import Buckets, Conflict, Item
from floorcast.buckets.sqlite import SQLiteBuckets
from floorcast.errors import Unavailable

Open = Callable[[], Buckets]


@pytest.fixture(params=["memory", "sqlite"])
def open_buckets(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Make buckets, each empty, of every kind there is."""
    opened: list[Buckets] = []

    def open_one() -> Buckets:
        file = tmp_path / f"{len(opened)}.db"
        opened.append(MemoryBuckets() if request.param == "memory" else SQLiteBuckets(file))
        return opened[-1]

    yield open_one
    for buckets in opened:
        run(buckets.close())


def run(what: Coroutine[Any, Any, None]) -> None:
    """Let a coroutine have its own loop."""
    asyncio.run(what)


def put(buckets: Buckets, *items: Item, seen: tuple[Item, ...] = ()) -> None:
    """Write and wait."""
    run(buckets.write(items, seen))


def test_a_key_holds_what_was_put_last(open_buckets: Open) -> None:
    """The last value put wins; an absent key is None; buckets do not share keys."""
    buckets = open_buckets()
    put(buckets, Item("site", "1", b"old"))
    put(buckets, Item("site", "1", b"new"), Item("sessions", "1", b""))
    assert buckets.get("site", "1") == b"new"
    assert buckets.get("sessions", "1") == b""
    assert buckets.get("site", "2") is None
    assert buckets.get("nowhere", "1") is None


def test_a_value_of_none_deletes(open_buckets: Open) -> None:
    """Deleting takes the key away, and deleting what is not there is no error."""
    buckets = open_buckets()
    put(buckets, Item("site", "1", b"x"), Item("site", "2", b"y"))
    put(buckets, Item("site", "1", None), Item("site", "3", None))
    assert dict(buckets.items("site")) == {"2": b"y"}


def test_items_are_a_copy(open_buckets: Open) -> None:
    """What was read does not change with the bucket."""
    buckets = open_buckets()
    put(buckets, Item("site", "1", b"x"))
    items = buckets.items("site")
    put(buckets, Item("site", "2", b"y"))
    assert dict(items) == {"1": b"x"}


def test_the_version_changes_with_its_bucket_only(open_buckets: Open) -> None:
    """A write, a deletion too, changes the version of the buckets it touches, no other's."""
    buckets = open_buckets()
    versions = [buckets.version("site")]
    put(buckets, Item("site", "1", b"x"))
    versions.append(buckets.version("site"))
    put(buckets, Item("site", "1", None))
    versions.append(buckets.version("site"))
    assert len(set(versions)) == 3
    put(buckets, Item("sessions", "1", b"x"))
    assert buckets.version("site") == versions[-1]


def test_a_write_that_rests_on_something_gone_does_nothing(open_buckets: Open) -> None:
    """Where a seen key holds something else by now, all of the write is refused."""
    buckets = open_buckets()
    put(buckets, Item("site", "1", b"x"), seen=(Item("site", "1", None),))
    before = buckets.version("site")
    for seen in (Item("site", "1", b"y"), Item("site", "1", None), Item("site", "2", b"x")):
        with pytest.raises(Conflict):
            put(buckets, Item("site", "1", b"z"), Item("site", "3", b"z"), seen=(seen,))
    assert dict(buckets.items("site")) == {"1": b"x"}
    assert buckets.version("site") == before
    put(buckets, Item("site", "1", b"z"), seen=(Item("site", "1", b"x"),))
    assert buckets.get("site", "1") == b"z"


@pytest.mark.parametrize("name", ["", ".x", "x.", "a b", "a/b", "ä", "a\0", "*", "a" * 129])
def test_names_that_a_network_store_could_not_hold_are_refused(
    open_buckets: Open, name: str
) -> None:
    """Names of buckets and keys keep to letters, digits and a few signs."""
    buckets = open_buckets()
    for item in (Item(name, "1", b"x"), Item("site", name, b"x")):
        with pytest.raises(ValueError, match="cannot be the name"):
            put(buckets, Item("site", "1", b"x"), item)
    assert not buckets.items("site")


def test_closed_buckets_are_unavailable(open_buckets: Open) -> None:
    """After closing, every use is refused as Unavailable; closing twice is no error."""
    buckets = open_buckets()
    run(buckets.close())
    run(buckets.close())
    for use in (
        lambda: buckets.get("site", "1"),
        lambda: buckets.items("site"),
        lambda: buckets.version("site"),
        lambda: put(buckets, Item("site", "1", b"x")),
    ):
        with pytest.raises(Unavailable):
            use()


NAMES = st.sampled_from(["a", "b-1", "c.c", "0_=", "d" * 128])
WRITES = st.lists(
    st.lists(
        st.tuples(NAMES, NAMES, st.none() | st.binary(max_size=40)), unique_by=lambda i: i[:2]
    ),
    max_size=8,
)


def test_buckets_are_dictionaries(open_buckets: Open) -> None:
    """Whatever is written, the buckets hold what plain dictionaries would."""

    @given(WRITES)
    def holds(writes: list[list[tuple[str, str, bytes | None]]]) -> None:
        buckets = open_buckets()
        model: dict[str, dict[str, bytes]] = {}
        for write in writes:
            put(buckets, *(Item(*change) for change in write))
            for bucket, key, value in write:
                if value is None:
                    model.setdefault(bucket, {}).pop(key, None)
                else:
                    model.setdefault(bucket, {})[key] = value
        for bucket, kept in model.items():
            assert dict(buckets.items(bucket)) == kept
            assert all(buckets.get(bucket, key) == value for key, value in kept.items())
        run(buckets.close())

    holds()
