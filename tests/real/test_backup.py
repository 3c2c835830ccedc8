"""A backup of a server at work is a data folder of its own, as it was at one moment."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.real.load import PATIENCE, Load, Source, marks
from tests.real.server import EVENTS, Caller, Server, command, environment


def backed_up(*words: object) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        command("backup", *words),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


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
    assert said.returncode == 0, said.stderr
    assert "MiB" in said.stdout
    with restored, Caller(restored.url) as caller:
        caller.http.headers["LV-Session"] = session
        events, token = [], begin
        while page := caller.feed(EVENTS, token).events:
            events += page
            token = caller.feed(EVENTS, token).token
        found = list(marks(events))
    assert len(found) >= before - 400, "all but the batch that was under way"
    assert found == source.sent[EVENTS][: len(found)]


def test_what_cannot_be_backed_up_is_told(tmp_path: Path) -> None:
    """No log, a folder that is there, a place that cannot be written; and a stopped server can."""
    assert "holds no log" in backed_up(tmp_path / "into", "--data", tmp_path / "no").stderr
    with Server(tmp_path) as server:
        pass
    assert backed_up(tmp_path / "into", "--data", server.data).returncode == 0
    assert "is there already" in backed_up(tmp_path / "into", "--data", server.data).stderr
    (tmp_path / "file").touch()
    said = backed_up(tmp_path / "file" / "into", "--data", server.data)
    assert "the backup could not be made" in said.stderr
    assert said.returncode == 1
