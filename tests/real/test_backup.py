"""Tests that a running server's backup is a copy of its data folder at one moment."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from floorcast.auth.audit_log import read
from floorcast.cli.app import app
from floorcast.log import folder_copy
from tests.real.load import PATIENCE, Load, Source, marks
from tests.real.server import EVENTS, Caller, Server


def backed_up(*words: object) -> Result:
    """Run the backup command in this process. Returns its result."""
    return CliRunner().invoke(app, ["backup", *map(str, words)])


def test_a_backup_under_load_has_all_earlier_events(tmp_path: Path) -> None:
    """A backup has the session, and all earlier acknowledged events in the same order."""
    load = Load()
    (tmp_path / "restored").mkdir()
    restored = Server(tmp_path / "restored")
    with Server(tmp_path) as server, Caller(server.url) as caller:
        session = caller.login()
        begin = caller.feed(EVENTS).token
        source = Source(lambda: Caller(server.url), "source", load)
        source.start()
        load.wait_for(20)
        before = len(source.sent[EVENTS])
        said = backed_up(restored.data, "--data", server.data)
        load.end()
        source.join(PATIENCE)
    assert said.exit_code == 0, said.output
    assert float(said.stdout.rsplit("(", 1)[1].split(" MiB")[0]) > 0
    with restored, Caller(restored.url) as caller:
        caller.http.headers["LV-Session"] = session
        events, token = caller.feed(EVENTS, begin)
        while len(events) % 1000 == 0:
            more, token = caller.feed(EVENTS, token)
            events += more
        found = list(marks(events))
    assert len(found) >= before - 400, "all but the batch that was under way"
    assert found == source.sent[EVENTS][: len(found)]


def test_an_impossible_backup_is_reported(tmp_path: Path) -> None:
    """A missing log, an existing folder and an unusable destination are errors.

    The data of a stopped server can be backed up.
    """
    assert "does not exist" in str(
        backed_up(tmp_path / "into", "--data", tmp_path / "no").exception
    )
    with Server(tmp_path) as server:
        pass
    assert backed_up(tmp_path / "into", "--data", server.data).exit_code == 0
    again = backed_up(tmp_path / "into", "--data", server.data)
    assert "already exists" in str(again.exception)
    (tmp_path / "file").touch()
    nowhere = backed_up(tmp_path / "file" / "into", "--data", server.data)
    assert "the backup failed" in str(nowhere.exception)
    for journal in server.data.glob("mirror.db-*"):
        journal.unlink()
    (server.data / "mirror.db").write_bytes(b"no database, but long enough to have a header" * 100)
    unreadable = backed_up(tmp_path / "into too", "--data", server.data)
    assert f"{server.data / 'mirror.db'} cannot be read" in str(unreadable.exception)
    assert list(tmp_path.glob("*.part")) == [], "a copy that failed would keep a full disk full"


def test_a_backup_into_the_data_folder_is_refused(tmp_path: Path) -> None:
    """It would be lost together with the data. A link or a relative path changes nothing."""
    with Server(tmp_path) as server:
        pass
    (tmp_path / "link").symlink_to(server.data)
    before = sorted(server.data.iterdir())
    for into in (
        server.data / "backup",
        server.data / "a" / "b",
        server.data / "a" / ".." / "backup",
        tmp_path / "link" / "backup",
    ):
        refused = backed_up(into, "--data", server.data)
        assert "is inside the data folder" in str(refused.exception)
        assert "choose a folder outside" in str(refused.exception)
    assert sorted(server.data.iterdir()) == before
    beside = backed_up(f"{server.data}-backup", "--data", server.data)
    assert beside.exit_code == 0, beside.output


def test_a_backup_does_not_overwrite_folders_or_follow_links(tmp_path: Path) -> None:
    """A backup refuses an existing folder or link, whose owner could read the copied data."""
    with Server(tmp_path) as server:
        pass
    (tmp_path / "into.part").mkdir(mode=0o777)
    again = backed_up(tmp_path / "into", "--data", server.data)
    assert "into.part already exists" in str(again.exception)
    assert list((tmp_path / "into.part").iterdir()) == []
    (tmp_path / "linked.part").symlink_to(tmp_path / "into.part")
    linked = backed_up(tmp_path / "linked", "--data", server.data)
    assert "linked.part already exists" in str(linked.exception)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    dangling = backed_up(tmp_path / "dangling", "--data", server.data)
    assert "dangling already exists" in str(dangling.exception)
    assert list((tmp_path / "into.part").iterdir()) == []


def test_a_backup_is_private_and_reports_its_size(tmp_path: Path) -> None:
    """With any umask, the files have mode 0600 and the folder has mode 0700."""
    with Server(tmp_path) as server:
        pass
    before = os.umask(0)
    try:
        said = backed_up(tmp_path / "into", "--data", server.data)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "into").stat().st_mode) == 0o700
    files = list((tmp_path / "into").iterdir())
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    size = sum(file.stat().st_size for file in files)
    assert f"({size / 2**20:,.1f} MiB)" in said.stdout


def test_backup_and_restore_are_in_the_audit_log(tmp_path: Path) -> None:
    """A server that starts with a backup's copy records one restore in its audit log."""
    with Server(tmp_path) as server:
        server.terminate()
    assert backed_up(tmp_path / "into", "--data", server.data).exit_code == 0
    events = [line["event"] for line in read(Path(server.data))[0]]
    assert events[-4:] == ["site_changed", "start", "stop", "backup"]
    (tmp_path / "restored").mkdir()
    restored = Server(tmp_path / "restored")
    (tmp_path / "into").rename(restored.data)
    for _ in range(2):
        with restored:
            restored.terminate()
    events = [line["event"] for line in read(Path(restored.data))[0]]
    assert events[-6:] == ["backup_made", "restore", "start", "stop", "start", "stop"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interrupted_backup_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    """A timer that stops a backup would otherwise fail every night, because of the remains."""
    with Server(tmp_path) as server:
        pass

    handler = signal.getsignal(signal.SIGTERM)

    def interrupted(_source: Path, target: Path, _on_step: object) -> None:
        target.touch()
        signal.raise_signal(number)

    monkeypatch.setattr(folder_copy, "copy_file", interrupted)
    result = backed_up(tmp_path / "into", "--data", server.data)
    assert result.exit_code == code
    assert list(tmp_path.glob("into*")) == []
    assert signal.getsignal(signal.SIGTERM) is handler
    monkeypatch.undo()
    assert backed_up(tmp_path / "into", "--data", server.data).exit_code == 0
