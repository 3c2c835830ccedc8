"""The contract of the key-value store's port, which every adapter must fulfill."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.cluster.jetstream_kv import JetStreamKeyValueStore
from floorcast.cluster.link import NatsLink
from floorcast.kv.memory import MemoryKeyValueStore
from floorcast.kv.port import Conflict, Item, KeyValueStore
from floorcast.kv.sqlite_kv import SqliteKeyValueStore
from floorcast.model.errors import Unavailable
from tests.nats_servers import NatsServers
from tests.search import tries

T = TypeVar("T")


class Store:
    """Opens stores of one kind, which all run on one event loop."""

    def __init__(self, make: Callable[[int], Coroutine[Any, Any, KeyValueStore]]) -> None:
        self._make = make
        self._runner = asyncio.Runner()
        self._opened: list[KeyValueStore] = []
        self.links: list[NatsLink] = []

    def __call__(self) -> KeyValueStore:
        """Open a new empty store."""
        self._opened.append(self.run(self._make(len(self._opened))))
        return self._opened[-1]

    def run(self, what: Coroutine[Any, Any, T]) -> T:
        """Run the event loop until ``what`` is done."""
        return self._runner.run(what)

    def put(self, kv: KeyValueStore, *items: Item, expected: tuple[Item, ...] = ()) -> None:
        """Write items, and wait until they are written."""
        self.run(kv.write(items, expected))

    def close(self) -> None:
        """Close all stores."""
        for kv in self._opened:
            self.run(kv.close())
        for link in self.links:
            self.run(link.close())
        self._runner.close()


@pytest.fixture(params=["memory", "sqlite", "jetstream"])
def open_kv(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Create empty stores of every kind."""

    async def memory(number: int) -> KeyValueStore:
        return MemoryKeyValueStore()

    async def sqlite(number: int) -> KeyValueStore:
        return SqliteKeyValueStore(tmp_path / f"{number}.db")

    async def jetstream(number: int) -> KeyValueStore:
        servers: NatsServers = request.getfixturevalue("nats_server")
        link = await NatsLink.open(servers.account(), "test")
        store.links.append(link)
        return await JetStreamKeyValueStore.open(link, replicas=1)

    store = Store({"memory": memory, "sqlite": sqlite, "jetstream": jetstream}[request.param])
    try:
        yield store
    finally:
        store.close()


def test_the_last_value_of_a_key_wins(open_kv: Store) -> None:
    """A key has the last value that was written. A missing key is None. Buckets share no keys."""
    kv = open_kv()
    open_kv.put(kv, Item("site", "1", b"old"))
    open_kv.put(kv, Item("site", "1", b"new"), Item("sessions", "1", b""))
    assert kv.get("site", "1") == b"new"
    assert kv.get("sessions", "1") == b""
    assert kv.get("site", "2") is None
    assert kv.get("nowhere", "1") is None


def test_a_value_of_none_deletes_the_key(open_kv: Store) -> None:
    """Writing None removes a key. It is not an error if the key does not exist."""
    kv = open_kv()
    open_kv.put(kv, Item("site", "1", b"x"), Item("site", "2", b"y"))
    open_kv.put(kv, Item("site", "1", None), Item("site", "3", None))
    assert dict(kv.items("site")) == {"2": b"y"}


def test_items_are_a_copy(open_kv: Store) -> None:
    """Items that were returned do not change with the store."""
    kv = open_kv()
    open_kv.put(kv, Item("site", "1", b"x"))
    items = kv.items("site")
    open_kv.put(kv, Item("site", "2", b"y"))
    assert dict(items) == {"1": b"x"}


def test_a_version_changes_only_with_its_bucket(open_kv: Store) -> None:
    """Writing or deleting a key changes the version of its bucket, and of no other bucket."""
    kv = open_kv()
    versions = [kv.version("site")]
    open_kv.put(kv, Item("site", "1", b"x"))
    versions.append(kv.version("site"))
    open_kv.put(kv, Item("site", "1", None))
    versions.append(kv.version("site"))
    assert len(set(versions)) == 3
    open_kv.put(kv, Item("sessions", "1", b"x"))
    assert kv.version("site") == versions[-1]


def test_a_write_based_on_stale_values_is_refused(open_kv: Store) -> None:
    """If a key no longer has the value that the writer saw, the whole write is refused."""
    kv = open_kv()
    open_kv.put(kv, Item("site", "1", b"x"), expected=(Item("site", "1", None),))
    before = kv.version("site")
    for expected in (Item("site", "1", b"y"), Item("site", "1", None), Item("site", "2", b"x")):
        with pytest.raises(Conflict):
            open_kv.put(kv, Item("site", "1", b"z"), Item("site", "3", b"z"), expected=(expected,))
    assert dict(kv.items("site")) == {"1": b"x"}
    assert kv.version("site") == before
    open_kv.put(kv, Item("site", "1", b"z"), expected=(Item("site", "1", b"x"),))
    assert kv.get("site", "1") == b"z"


def test_a_listener_gets_every_change_of_its_bucket(open_kv: Store) -> None:
    """Before a write returns, a listener gets each changed key and value.

    The whole write is then already visible.
    """
    kv = open_kv()
    told: list[tuple[str, bytes | None, dict[str, bytes]]] = []
    kv.listen("site", lambda key, value: told.append((key, value, dict(kv.items("site")))))
    open_kv.put(kv, Item("site", "1", b"x"), Item("site", "2", b"y"), Item("sessions", "1", b"z"))
    both = {"1": b"x", "2": b"y"}
    assert sorted(told, key=lambda one: one[0]) == [("1", b"x", both), ("2", b"y", both)]
    with pytest.raises(Conflict):
        open_kv.put(kv, Item("site", "1", b"n"), expected=(Item("site", "1", None),))
    open_kv.put(kv, Item("site", "1", None))
    assert told[2:] == [("1", None, {"2": b"y"})]


@pytest.mark.parametrize("size", [600_000, 3_000_000])
def test_a_value_can_be_large(open_kv: Store, size: int) -> None:
    """A value, such as a large client's site, can have megabytes, and can become small again."""
    kv = open_kv()
    large = bytes(range(250)) * (size // 250)
    open_kv.put(kv, Item("site", "1", large), Item("site", "2", b""))
    assert kv.get("site", "1") == large
    open_kv.put(kv, Item("site", "1", b"small"), expected=(Item("site", "1", large),))
    assert dict(kv.items("site")) == {"1": b"small", "2": b""}


@pytest.mark.parametrize("name", ["", ".x", "x.", "a b", "a/b", "ä", "a\0", "*", "a" * 129])
def test_invalid_names_are_refused(open_kv: Store, name: str) -> None:
    """The names of buckets and keys have only letters, digits and a few other characters."""
    kv = open_kv()
    for item in (Item(name, "1", b"x"), Item("site", name, b"x")):
        with pytest.raises(ValueError, match="cannot be the name"):
            open_kv.put(kv, Item("site", "1", b"x"), item)
    assert not kv.items("site")


def test_a_closed_store_is_unavailable(open_kv: Store) -> None:
    """Any use of a closed store raises ``Unavailable``. Closing a store twice is not an error."""
    kv = open_kv()
    open_kv.run(kv.close())
    open_kv.run(kv.close())
    for use in (
        lambda: kv.get("site", "1"),
        lambda: kv.items("site"),
        lambda: kv.version("site"),
        lambda: open_kv.put(kv, Item("site", "1", b"x")),
    ):
        with pytest.raises(Unavailable):
            use()


NAMES = st.sampled_from(["a", "b-1", "c.c", "c..c", "c", "0_=", "d" * 128])
WRITES = st.lists(
    st.lists(
        st.tuples(NAMES, NAMES, st.none() | st.binary(max_size=40)), unique_by=lambda i: i[:2]
    ),
    max_size=8,
)


def test_buckets_behave_like_dictionaries(open_kv: Store) -> None:
    """After any writes, buckets have the same contents as plain dictionaries."""

    @settings(max_examples=tries(60))
    @given(WRITES)
    def matches_the_model(writes: list[list[tuple[str, str, bytes | None]]]) -> None:
        kv = open_kv()
        model: dict[str, dict[str, bytes]] = {}
        for write in writes:
            open_kv.put(kv, *(Item(*change) for change in write))
            for bucket, key, value in write:
                if value is None:
                    model.setdefault(bucket, {}).pop(key, None)
                else:
                    model.setdefault(bucket, {})[key] = value
        for bucket, kept in model.items():
            assert dict(kv.items(bucket)) == kept
            assert all(kv.get(bucket, key) == value for key, value in kept.items())
        open_kv.run(kv.close())

    matches_the_model()
