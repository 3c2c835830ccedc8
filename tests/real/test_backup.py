"""A backup of a server at work is a data folder of its own, as it was at one moment."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner, Result

from floorcast.cli.app import app
from tests.real.load import PATIENCE, Load, Source, marks
from tests.real.server import EVENTS, Caller, Server


def backed_up(*words: object) -> Result:
    """Run the command, in this process."""
    return CliRunner().invoke(app, ["backup", *map(str, words)])


def test_a_backup_under_load_starts_and_misses_nothing_from_before(tmp_path: Path) -> None:
    """What was acknowledged before it began is in it, in the same order; the session, too."""
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
    assert "MiB" in said.stdout
    with restored, Caller(restored.url) as caller:
        caller.http.headers["LV-Session"] = session
        events, token = caller.feed(EVENTS, begin)
        while len(events) % 1000 == 0:
            more, token = caller.feed(EVENTS, token)
            events += more
        found = list(marks(events))
    assert len(found) >= before - 400, "all but the batch that was under way"
    assert found == source.sent[EVENTS][: len(found)]


def test_what_cannot_be_backed_up_is_told(tmp_path: Path) -> None:
    """No log, a folder that is there, a place that cannot be written; and a stopped server can."""
    assert "holds no log" in str(backed_up(tmp_path / "into", "--data", tmp_path / "no").exception)
    with Server(tmp_path) as server:
        pass
    assert backed_up(tmp_path / "into", "--data", server.data).exit_code == 0
    again = backed_up(tmp_path / "into", "--data", server.data)
    assert "is there already" in str(again.exception)
    (tmp_path / "file").touch()
    nowhere = backed_up(tmp_path / "file" / "into", "--data", server.data)
    assert "the backup could not be made" in str(nowhere.exception)
