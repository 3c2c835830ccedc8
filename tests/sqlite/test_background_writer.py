"""Tests that derived data is written in the background, in order, and never dropped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import apsw

from floorcast.sqlite.background_writer import BackgroundWriter
from floorcast.sqlite.files import connect, remove
from tests.log.faults import failing_disk


def opened(path: Path | None) -> apsw.Connection:
    connection = connect(path, page_size=4096, synchronous="NORMAL", cache_kib=100)
    connection.execute("CREATE TABLE IF NOT EXISTS written (number INTEGER)")
    return connection


def writing(number: int) -> Callable[[apsw.Connection], object]:
    return lambda connection: connection.execute("INSERT INTO written VALUES (?)", (number,))


def written(connection: apsw.Connection) -> list[object]:
    return [row[0] for row in connection.execute("SELECT number FROM written ORDER BY rowid")]


def nothing() -> None:
    """Do nothing: the callback of jobs whose result does not matter."""


def test_jobs_are_stored_in_order(tmp_path: Path) -> None:
    """``run_callbacks`` calls the jobs' callbacks in order, and the backlog is then empty."""
    connection = opened(tmp_path / "file.db")
    writer = BackgroundWriter(connection, "file.db")
    heard: list[int] = []
    for number in range(200):
        writer.submit(10, writing(number), partial(heard.append, number))
    assert writer.wait()
    writer.run_callbacks()
    assert heard == list(range(200))
    assert writer.backlog == 0
    writer.close()
    assert written(opened(tmp_path / "file.db")) == list(range(200))


def test_callbacks_run_only_when_the_caller_settles(tmp_path: Path) -> None:
    """A job's callbacks run on the caller's thread when the caller settles."""
    writer = BackgroundWriter(opened(tmp_path / "file.db"), "file.db")
    threads: list[str] = []
    writer.submit(1, writing(1), lambda: threads.append(threading.current_thread().name))
    assert writer.wait()
    assert (threads, writer.backlog) == ([], 1)
    writer.run_callbacks()
    assert threads == [threading.current_thread().name]
    writer.close()


def test_in_memory_database_is_written_immediately() -> None:
    """The writer also tidies until nothing is left."""
    connection = opened(None)
    bites = iter([True, True, False])
    writer = BackgroundWriter(connection, "memory", background=False, tidy=lambda _: next(bites))
    heard: list[int] = []
    writer.submit(5, writing(1), lambda: heard.append(1))
    assert (written(connection), heard, writer.backlog) == ([1], [1], 0)
    assert list(bites) == []
    assert writer.wait()
    writer.close()


def test_failed_writes_are_retried(tmp_path: Path) -> None:
    """The writer retries until the disk works.

    While the disk fails, the writer is unhealthy, and no job is lost or repeated.
    """
    with failing_disk() as disk:
        writer = BackgroundWriter(opened(tmp_path / "file.db"), "file.db", retry_seconds=0.001)
        disk.faults = {"full"}
        for number in range(20):
            writer.submit(1, writing(number), nothing)
        assert not writer.wait(timeout=0.05)
        assert (writer.healthy, writer.backlog) == (False, 20)
        disk.repair()
        assert writer.wait()
        writer.run_callbacks()
        assert (writer.healthy, writer.backlog) == (True, 0)
        writer.close()
        assert written(opened(tmp_path / "file.db")) == list(range(20))


def test_close_does_not_wait_for_a_failing_disk(tmp_path: Path) -> None:
    """Data that was not written can be rebuilt."""
    with failing_disk() as disk:
        writer = BackgroundWriter(opened(tmp_path / "file.db"), "file.db", retry_seconds=60.0)
        disk.faults = {"full"}
        writer.submit(1, writing(1), nothing)
        writer.close()
        disk.repair()
        assert written(opened(tmp_path / "file.db")) == []


def test_writer_tidies_when_idle(tmp_path: Path) -> None:
    """The writer tidies in small steps until a step reports that nothing is left."""
    done = threading.Event()
    bites = 0

    def tidy(_: apsw.Connection) -> bool:
        nonlocal bites
        bites += 1
        if bites == 5:
            done.set()
        return bites < 5

    writer = BackgroundWriter(opened(tmp_path / "file.db"), "file.db", tidy=tidy)
    writer.submit(1, writing(1), nothing)
    assert done.wait(10)
    writer.close()
    assert bites == 5


def test_replaced_file_is_not_replaced_again(tmp_path: Path) -> None:
    """A reader of the old file may report the damage late, when the new file is in use."""
    path = tmp_path / "file.db"

    def new_file() -> apsw.Connection:
        remove(path)
        return opened(path)

    writer = BackgroundWriter(opened(path), "file.db", create_file=new_file)
    writer.request_replacement(0)
    assert writer.wait()
    reader = opened(path)
    writer.submit(1, writing(1), nothing)
    writer.request_replacement(0)
    assert writer.wait()
    assert (writer.replacements, written(reader)) == (1, [1])
    writer.request_replacement(1)
    assert writer.wait()
    assert writer.replacements == 2
    writer.close()
