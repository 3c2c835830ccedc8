"""Tests of a node's copy of the cluster's log when something fails."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from floorcast.cluster.jetstream_log import ClusterLogTuning, JetStreamLog
from floorcast.cluster.log_messages import ID, KIND, stream_name, stream_number, subject
from floorcast.cluster.streams import open_log_streams
from floorcast.log.data_folder import DataFolder
from floorcast.log.log_file import open_log
from floorcast.log.port import Appended, Batch
from floorcast.model.errors import SettingError, TooLarge, Unavailable
from floorcast.model.inbound import read_lines
from floorcast.model.token import TICKS_PER_SECOND
from tests.contract.test_event_log import ids_of
from tests.log.batches import Clock, batch
from tests.log.faults import failing_disk
from tests.log.stamped import IDENTITY, STREAMS, StampedLog
from tests.nats_servers import NatsServers, wait_until

ACME = 47415
SOON = 100.0  # seconds in which a condition must come true


class Harness:
    """Copies of one cluster's log on one event loop."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.runner = asyncio.Runner()
        self.logs: list[StampedLog] = []

    def run(self, work: Any) -> Any:  # noqa: ANN401 — whatever the work gives
        return self.runner.run(asyncio.wait_for(work, SOON))

    def open(self, name: str = "one", tuning: ClusterLogTuning | None = None) -> StampedLog:
        data = DataFolder(self.folder / name)
        self.logs.append(self.run(StampedLog.open(self.url, data, Clock(), tuning)))
        return self.logs[-1]

    def close(self) -> None:
        for log in self.logs:
            self.run(log.close())
        self.runner.close()


@pytest.fixture
def harness(nats_server: NatsServers, tmp_path: Path) -> Iterator[Harness]:
    """Yield a harness without any copies."""
    one = Harness(nats_server.account(), tmp_path)
    yield one
    one.close()


def names(log: JetStreamLog) -> list[str]:
    """Return the ids of all events of a client."""
    return [name for entry in log.read(ACME, 0, 100) for name in ids_of(entry)]


def test_copy_resumes_after_a_failed_disk_write(harness: Harness) -> None:
    """The cluster has the entries. Once the disk works, the node stores them once and in order."""
    with failing_disk("log.db") as disk:
        log = harness.open(tuning=ClusterLogTuning(patience=3.0))
        harness.run(log.append(batch(ACME, ["a"])))
        disk.faults = {"full"}

        async def append_some() -> list[Appended | BaseException]:
            some = [log.append(batch(ACME, [f"{number}", "same"])) for number in range(5)]
            return await asyncio.gather(*some, return_exceptions=True)

        failed = harness.run(append_some())
        assert all(isinstance(each, Unavailable) for each in failed)
        assert (names(log), log.healthy) == (["a"], False)
        disk.repair()
        harness.run(wait_until(lambda: log.head(ACME).number == 6))
        assert sorted(names(log)) == ["0", "1", "2", "3", "4", "a", "same"]
        assert log.healthy
        again = harness.run(log.append(batch(ACME, ["3", "same", "b"])))
        assert again == Appended(7, [0, 1])
        harness.run(log.close())
        harness.logs.clear()


def test_deleted_consumer_is_recreated(harness: Harness) -> None:
    """No message is missed or repeated."""
    log = harness.open()
    harness.run(log.append(batch(ACME, ["a"])))
    stream = stream_name(stream_number(ACME, STREAMS))

    async def delete_consumers() -> None:
        found = await log.link.api(f"CONSUMER.NAMES.{stream}")
        for name in found["consumers"]:
            await log.link.api(f"CONSUMER.DELETE.{stream}.{name}")

    harness.run(delete_consumers())
    harness.run(log.append(batch(ACME, ["b", "a"])))
    assert names(log) == ["a", "b"]


def test_large_batch_is_split_into_messages(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The messages are acknowledged together with all duplicates.

    One event must fit in a message.
    """
    log = harness.open()
    monkeypatch.setattr(type(log.link.client), "max_payload", property(lambda _: 1000))
    many = [f"event {number}" for number in range(20)]
    first = harness.run(log.append(batch(ACME, many)))
    assert first.number > 3
    assert harness.run(log.append(batch(ACME, [*many[3:6], "new", *many]))).duplicates == [
        0, 1, 2, *range(4, 24)
    ]  # fmt: skip
    assert names(log) == [*many, "new"]
    with pytest.raises(TooLarge, match="bytes"):
        harness.run(log.append(batch(ACME, ["x" * 2000])))


def test_message_sent_twice_is_stored_once(harness: Harness) -> None:
    """JetStream detects it by its id, and later the node by its events."""
    log = harness.open()
    payload = b"\n".join(batch(ACME, ["a", "b"]).lines)

    async def send(name: str) -> None:
        headers = {KIND: "events", ID: name}
        await log.link.publish(subject(ACME, STREAMS), payload, headers)

    for name in ("first", "first", "second"):
        harness.run(send(name))
    assert harness.run(log.append(batch(ACME, ["c", "a"]))) == Appended(2, [1])
    assert names(log) == ["a", "b", "c"]


def test_append_is_refused_before_the_node_follows(harness: Harness) -> None:
    """Otherwise nobody would know the result of the append."""
    log = harness.open()
    followed_log, _ = harness.run(open_log_streams(log.link, STREAMS, 1, IDENTITY))
    other = JetStreamLog(DataFolder(harness.folder / "two"), log.link, followed_log, Clock())
    with pytest.raises(Unavailable, match="not followed"):
        harness.run(other.append(batch(ACME, ["a"])))
    harness.run(other.close())


def test_a_node_without_a_check_counts_as_behind(harness: Harness) -> None:
    """A node that has not compared its copy with the streams for minutes may lack entries."""
    log = harness.open()
    harness.run(log.append(batch(ACME, ["a"])))
    assert isinstance(log.clock, Clock)
    log.catch_up()
    assert log.ticks_behind(ACME) == 0
    checked = max(follower.complete_until for follower in log.followers)
    log.clock.ticks = checked + 600 * TICKS_PER_SECOND
    assert log.ticks_behind(ACME) >= 590 * TICKS_PER_SECOND


def test_folder_of_another_log_is_refused(harness: Harness) -> None:
    """A copy cannot be opened as an embedded log, nor an embedded log as a copy."""
    log = harness.open()
    harness.run(log.close())
    path = harness.folder / "one" / "log.db"
    harness.logs.clear()
    with pytest.raises(SettingError, match="follows a cluster"):
        open_log(path)
    with pytest.raises(SettingError, match="not a copy of this cluster's log"):
        open_log(path, log.followed_log._replace(identity="another"))
    embedded = harness.folder / "embedded.db"
    open_log(embedded).close()
    with pytest.raises(SettingError, match="not a copy of this cluster's log"):
        open_log(embedded, log.followed_log)


def test_number_of_streams_is_fixed_at_creation(harness: Harness) -> None:
    """A different number of streams is refused. The same number opens the same log."""
    log = harness.open()
    followed_log, replicas = harness.run(open_log_streams(log.link, STREAMS, 3, IDENTITY))
    assert (followed_log, replicas) == (log.followed_log, 1)
    with pytest.raises(SettingError, match=f"has {STREAMS} streams, 4 were given"):
        harness.run(open_log_streams(log.link, 4, 1, IDENTITY))


def test_full_servers_are_reported(tmp_path: Path) -> None:
    """The error, the node's status and one log message name the reason."""
    servers = NatsServers(tmp_path / "nats", 1, max_file="1MB")
    harness = Harness(servers.start().account(), tmp_path)
    try:
        log = harness.open(tuning=ClusterLogTuning(patience=0.2))
        line = b'{"type":"call.queue","id":"%d","source":"s","pad":"' + b"x" * 100_000 + b'"}'
        with capture_logs() as logs:
            for number in range(100):
                if log.stall_reason:
                    break
                full = Batch(ACME, [line % number], read_lines(line % number))
                with suppress(Unavailable):
                    harness.run(log.append(full))
        assert "no room left" in log.stall_reason
        assert [one["event"] for one in logs].count("nats_storage_full") == 1
    finally:
        harness.close()
        servers.stop()
