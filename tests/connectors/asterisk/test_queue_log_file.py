"""Tests with a queue log that is written, renamed, truncated or incomplete."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.connectors.asterisk.queue_log_file import (
    MAX_LINE_BYTES,
    SWITCH_AFTER_POLLS,
    QueueLogFile,
)

Follow = Callable[..., QueueLogFile]


@pytest.fixture
def follow() -> Iterator[Follow]:
    """Follow a file, and close all files at the end."""
    made: list[QueueLogFile] = []

    def one(path: Path, position: str = "", since: float = inf) -> QueueLogFile:
        made.append(QueueLogFile(path, position, since))
        return made[-1]

    yield one
    for file in made:
        file.close()


def polled_lines(file: QueueLogFile, polls: int = SWITCH_AFTER_POLLS + 3) -> list[str]:
    """Return the lines of the given number of polls."""
    return [line.text for _ in range(polls) for line in file.poll()]


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def test_only_complete_lines_are_read(tmp_path: Path, follow: Follow) -> None:
    """A partial line is read once it is complete."""
    path = tmp_path / "queue_log"
    file = follow(path)
    assert polled_lines(file) == []
    append(path, "one\ntw")
    assert polled_lines(file, 1) == ["one"]
    append(path, "o\n")
    assert polled_lines(file, 1) == ["two"]


def test_a_folder_beside_the_log_is_not_read(tmp_path: Path, follow: Follow) -> None:
    """The name of a folder with old logs may begin like the log's."""
    (tmp_path / "queue_log-old").mkdir()
    append(tmp_path / "queue_log", "one\n")
    assert polled_lines(follow(tmp_path / "queue_log", since=0.0)) == ["one"]


def test_a_renamed_file_is_read_to_its_end_first(tmp_path: Path, follow: Follow) -> None:
    """The old file is read to its end, even if lines are added after the new file was created."""
    path = tmp_path / "queue_log"
    append(path, "one\n")
    file = follow(path)
    assert polled_lines(file) == ["one"]
    old = path.rename(tmp_path / "queue_log.0")
    append(path, "new\n")
    assert polled_lines(file, 3) == []
    append(old, "late\n")
    assert polled_lines(file) == ["late", "new"]


def test_a_truncated_file_is_read_from_its_start(tmp_path: Path, follow: Follow) -> None:
    """A truncated file is read from its start. Logrotate's copytruncate works like this."""
    path = tmp_path / "queue_log"
    append(path, "one\ntwo\n")
    file = follow(path)
    assert polled_lines(file) == ["one", "two"]
    assert not file.take_loss()
    path.write_text("3\n")
    assert polled_lines(file) == ["3"]
    assert (file.take_loss(), file.take_loss()) == (True, False)


@pytest.mark.parametrize("new", ["3\n", "a longer line than all lines before\nand another one\n"])
def test_lines_that_a_truncation_removed_are_read_from_the_copy(
    tmp_path: Path, follow: Follow, new: str
) -> None:
    """However much the new file holds when it is read: its first line is another one."""
    path = tmp_path / "queue_log"
    append(path, "one\ntw")
    file = follow(path)
    assert polled_lines(file) == ["one"]
    append(tmp_path / "queue_log.2", "older\nlines that are not to be read again\n")
    append(path, "o\nthree\n")
    (tmp_path / "queue_log.1").write_bytes(path.read_bytes())
    path.write_text(new)
    assert polled_lines(file, 2 * SWITCH_AFTER_POLLS) == ["two", "three", *new.splitlines()]
    assert not file.take_loss()


def test_a_position_is_found_in_the_renamed_file(tmp_path: Path, follow: Follow) -> None:
    """The old file is found under its new name. The new file is then read from its start."""
    path = tmp_path / "queue_log"
    append(path, "one\ntwo\n")
    first, _ = follow(path).poll()
    path.rename(tmp_path / "queue_log.1")
    append(path, "new\n")
    assert polled_lines(follow(path, first.position)) == ["two", "new"]


def test_a_reused_inode_is_detected(tmp_path: Path, follow: Follow) -> None:
    """A file with the old inode but another first line is a different file."""
    path = tmp_path / "queue_log"
    append(path, "one\ntwo\n")
    first, _ = follow(path).poll()
    path.write_text("other\nlines\n")  # the same inode
    assert polled_lines(follow(path, first.position)) == ["other", "lines"]


def test_an_unterminated_line_is_discarded(tmp_path: Path, follow: Follow) -> None:
    """An unterminated line uses bounded memory, and its beginning is reported as unreadable."""
    path = tmp_path / "queue_log"
    append(path, "x" * (MAX_LINE_BYTES + 10))
    file = follow(path)
    assert polled_lines(file, 1) == ["x" * 200]
    append(path, "\nnext\n")
    assert polled_lines(file, 2)[-1] == "next"


@given(
    pieces=st.lists(st.sampled_from(["a\n", "bb\n", "c", "\n", "rotate", "resume"]), max_size=40)
)
def test_each_line_is_read_once(pieces: list[str]) -> None:
    """Each complete line is read once, for any sequence of writes, renames and restarts."""
    with TemporaryDirectory() as folder:
        read_through(Path(folder) / "queue_log", pieces)


def read_through(path: Path, pieces: list[str]) -> None:
    """Write the pieces, and read the complete lines in between."""
    file, position = QueueLogFile(path), ""
    written = ""
    found: list[str] = []

    def read(polls: int) -> None:
        nonlocal position
        for _ in range(polls):
            for line in file.poll():
                found.append(line.text)
                position = line.position

    for number, piece in enumerate([*pieces, "\n"]):
        if piece == "rotate" and path.exists() and written.endswith("\n"):
            read(SWITCH_AFTER_POLLS + 2)
            path.rename(path.with_name(f"queue_log.{number}"))
        elif piece == "resume":
            file.close()
            file = QueueLogFile(path, position)
        elif piece not in {"rotate", "resume"}:
            append(path, piece)
            written += piece
        read(1)
    read(2 * SWITCH_AFTER_POLLS + 4)
    file.close()
    assert found == written.split("\n")[:-1]


def test_the_first_start_reads_rotated_files(tmp_path: Path, follow: Follow) -> None:
    """The first start reads rotated files as far back as requested, but no compressed files."""
    path = tmp_path / "queue_log"
    for number, name in enumerate(["queue_log.2", "queue_log.1", "queue_log"]):
        append(tmp_path / name, f"{name}\n")
        os.utime(tmp_path / name, (100 * number, 100 * number))
    append(tmp_path / "queue_log.3.gz", "packed\n")
    os.utime(tmp_path / "queue_log.3.gz", (150, 150))
    polls = 3 * SWITCH_AFTER_POLLS + 9
    assert polled_lines(follow(path, since=50.0), polls) == ["queue_log.1", "queue_log"]
    assert polled_lines(follow(path, since=0.0), polls) == [
        "queue_log.2",
        "queue_log.1",
        "queue_log",
    ]
    assert polled_lines(follow(path), polls) == ["queue_log"]
