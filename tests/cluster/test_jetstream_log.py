"""A node's copy of the cluster's log when something fails."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from floorcast.cluster.jetstream_log import JetStreamLog, LogTuning
from floorcast.cluster.log_messages import ID, KIND, stream_name, stream_of, subject
from floorcast.cluster.streams import make_log_streams
from floorcast.log.data_folder import DataFolder
from floorcast.log.log_file import open_log
from floorcast.log.port import Appended, Batch
from floorcast.model.errors import SettingError, TooLarge, Unavailable
from floorcast.model.inbound import read_lines
from tests.contract.test_event_log import ids_of
from tests.log.batches import Clock, batch
from tests.log.faults import failing_disk
from tests.log.stamped import IDENTITY, STREAMS, StampedLog
from tests.nats_servers import NatsServers, comes_about

ACME = 47415
SOON = 100.0  # seconds in which a condition must come true


class House:
    """Copies of one cluster's log on one event loop."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.runner = asyncio.Runner()
        self.logs: list[StampedLog] = []

    def run(self, work: Any) -> Any:  # noqa: ANN401 — whatever the work gives
        return self.runner.run(asyncio.wait_for(work, SOON))

    def open(self, name: str = "one", tuning: LogTuning | None = None) -> StampedLog:
        data = DataFolder(self.folder / name)
        self.logs.append(self.run(StampedLog.open(self.url, data, Clock(), tuning)))
        return self.logs[-1]

    def close(self) -> None:
        for log in self.logs:
            self.run(log.close())
        self.runner.close()


@pytest.fixture
def house(nats_server: NatsServers, tmp_path: Path) -> Iterator[House]:
    """Yield a house without any copies."""
    one = House(nats_server.account(), tmp_path)
    yield one
    one.close()


def names(log: JetStreamLog) -> list[str]:
    """Return the ids of all events of a client."""
    return [name for entry in log.read(ACME, 0, 100) for name in ids_of(entry)]


def test_what_cannot_be_stored_here_is_taken_up_where_it_stopped(house: House) -> None:
    """The cluster has the entries. Once the disk works, the node stores them once and in order."""
    with failing_disk("log.db") as disk:
        log = house.open(tuning=LogTuning(patience=3.0))
        house.run(log.append(batch(ACME, ["a"])))
        disk.faults = {"full"}

        async def append_some() -> list[Appended | BaseException]:
            some = [log.append(batch(ACME, [f"{number}", "same"])) for number in range(5)]
            return await asyncio.gather(*some, return_exceptions=True)

        failed = house.run(append_some())
        assert all(isinstance(each, Unavailable) for each in failed)
        assert (names(log), log.healthy) == (["a"], False)
        disk.works()
        house.run(comes_about(lambda: log.head(ACME).number == 6))
        assert sorted(names(log)) == ["0", "1", "2", "3", "4", "a", "same"]
        assert log.healthy
        again = house.run(log.append(batch(ACME, ["3", "same", "b"])))
        assert again == Appended(7, [0, 1])
        house.run(log.close())
        house.logs.clear()


def test_a_consumer_that_is_gone_is_made_anew(house: House) -> None:
    """No message is missed or repeated."""
    log = house.open()
    house.run(log.append(batch(ACME, ["a"])))
    stream = stream_name(stream_of(ACME, STREAMS))

    async def lose() -> None:
        found = await log.link.api(f"CONSUMER.NAMES.{stream}")
        for name in found["consumers"]:
            await log.link.api(f"CONSUMER.DELETE.{stream}.{name}")

    house.run(lose())
    house.run(log.append(batch(ACME, ["b", "a"])))
    assert names(log) == ["a", "b"]


def test_a_batch_larger_than_a_message_becomes_several(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The messages are acknowledged together with all duplicates.

    One event must fit in a message.
    """
    log = house.open()
    monkeypatch.setattr(type(log.link.client), "max_payload", property(lambda _: 1000))
    many = [f"event {number}" for number in range(20)]
    first = house.run(log.append(batch(ACME, many)))
    assert first.number > 3
    assert house.run(log.append(batch(ACME, [*many[3:6], "new", *many]))).duplicates == [
        0, 1, 2, *range(4, 24)
    ]  # fmt: skip
    assert names(log) == [*many, "new"]
    with pytest.raises(TooLarge, match="bytes"):
        house.run(log.append(batch(ACME, ["x" * 2000])))


def test_a_message_that_is_sent_twice_is_taken_once(house: House) -> None:
    """JetStream detects it by its id, and later the node by its events."""
    log = house.open()
    payload = b"\n".join(batch(ACME, ["a", "b"]).lines)

    async def send(name: str) -> None:
        headers = {KIND: "events", ID: name}
        await log.link.publish(subject(ACME, STREAMS), payload, headers)

    for name in ("first", "first", "second"):
        house.run(send(name))
    assert house.run(log.append(batch(ACME, ["c", "a"]))) == Appended(2, [1])
    assert names(log) == ["a", "b", "c"]


def test_nothing_is_appended_before_it_follows(house: House) -> None:
    """Otherwise nobody would know the result of the append."""
    log = house.open()
    follows, _ = house.run(make_log_streams(log.link, STREAMS, 1, IDENTITY))
    other = JetStreamLog(DataFolder(house.folder / "two"), log.link, follows, Clock())
    with pytest.raises(Unavailable, match="not followed"):
        house.run(other.append(batch(ACME, ["a"])))
    house.run(other.close())


def test_a_folder_of_another_log_is_refused(house: House) -> None:
    """A copy cannot be opened as an embedded log, nor an embedded log as a copy."""
    log = house.open()
    house.run(log.close())
    path = house.folder / "one" / "log.db"
    house.logs.clear()
    with pytest.raises(SettingError, match="follows a cluster"):
        open_log(path)
    with pytest.raises(SettingError, match="not a copy of this cluster's log"):
        open_log(path, log.follows._replace(identity="another"))
    embedded = house.folder / "embedded.db"
    open_log(embedded).close()
    with pytest.raises(SettingError, match="not a copy of this cluster's log"):
        open_log(embedded, log.follows)


def test_a_cluster_s_streams_are_settled_when_they_are_made(house: House) -> None:
    """A different number of streams is refused. The same number opens the same log."""
    log = house.open()
    follows, replicas = house.run(make_log_streams(log.link, STREAMS, 3, IDENTITY))
    assert (follows, replicas) == (log.follows, 1)
    with pytest.raises(SettingError, match=f"has {STREAMS} streams, 4 were given"):
        house.run(make_log_streams(log.link, 4, 1, IDENTITY))


def test_servers_without_room_are_told_as_such(tmp_path: Path) -> None:
    """The error, the node's status and one log message name the reason."""
    servers = NatsServers(tmp_path / "nats", 1, max_file="1MB")
    house = House(servers.start().account(), tmp_path)
    try:
        log = house.open(tuning=LogTuning(patience=0.2))
        line = b'{"type":"call.queue","id":"%d","source":"s","pad":"' + b"x" * 100_000 + b'"}'
        with capture_logs() as logs:
            for number in range(100):
                if log.stalled:
                    break
                full = Batch(ACME, [line % number], read_lines(line % number))
                with suppress(Unavailable):
                    house.run(log.append(full))
        assert "no room left" in log.stalled
        assert [one["event"] for one in logs].count("nats_storage_full") == 1
    finally:
        house.close()
        servers.stop()
