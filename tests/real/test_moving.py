"""Tests that a data folder can be moved to a cluster and back without changes."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from floorcast.cluster.migrate import MigrationResult, export_cluster, import_folder
from floorcast.config.settings import Settings
from floorcast.kv.folder import open_kv
from floorcast.kv.port import Item
from floorcast.log.data_folder import DataFolder
from floorcast.log.embedded import EmbeddedLog
from floorcast.model.errors import SettingError
from floorcast.model.token import system_now
from tests.nats_servers import NatsServers
from tests.real.server import AGENTS, EVENTS, Caller, Server, command, environment
from tests.real.sites import event, ndjson

FEEDS = (EVENTS, AGENTS)


def events(begin: int, end: int) -> bytes:
    """Return numbered events for both feeds."""
    found: list[dict[str, Any]] = []
    for number in range(begin, end):
        sent = {"eventType": "SENT", "accountNumber": str(number)}
        found.append(event("email.attempt", f"mail {number}", service="Sales", **sent))
        found.append(event("agent.state", f"state {number}", agent="ann", eventType="READY"))
    return ndjson(found)


def cli(*words: object) -> subprocess.CompletedProcess[str]:
    """Run a command of the program. Returns its output and exit code."""
    return subprocess.run(
        command(*words), env=environment(), capture_output=True, text=True, timeout=60, check=False
    )


class Reader:
    """A reader with one session, which can resume from its tokens on any server."""

    def __init__(self, session: str, tokens: dict[str, str]) -> None:
        self.session = session
        self.tokens = tokens
        self.read: dict[str, list[dict[str, Any]]] = {path: [] for path in FEEDS}

    def read_new_events(self, server: Server) -> dict[str, int]:
        """Read the available events. Returns the number of events in each feed."""
        counts = {}
        with Caller(server.url) as caller:
            caller.http.headers["LV-Session"] = self.session
            for path in FEEDS:
                page = caller.feed(path, self.tokens[path])
                self.tokens[path] = page.token
                self.read[path] += page.events
                counts[path] = len(page.events)
        return counts


def move_folder(how: str, data: Path, url: str) -> None:
    """Move a folder with ``floorcast cluster``."""
    said = cli("cluster", how, "--data", data, "--log", url)
    assert said.returncode == 0, said.stderr
    assert "moved" in said.stdout


def duplicates(server: Server, begin: int, end: int) -> int:
    """Send events. Returns the number of duplicates."""
    with Caller(server.url) as caller:
        verdicts = caller.take(events(begin, end))
        assert verdicts["rejected"] == []
        found: int = verdicts["duplicates"]
        return found


def started_embedded(server: Server) -> tuple[Reader, dict[str, str]]:
    """Send events to an embedded server, and read some of them.

    Returns the reader, and the tokens before the first event.
    """
    with server, Caller(server.url) as caller:
        session = caller.login()
        begin = {path: caller.feed(path).token for path in FEEDS}
        reader = Reader(session, dict(begin))
        assert duplicates(server, 0, 50) == 0
        assert reader.read_new_events(server) == dict.fromkeys(FEEDS, 50)
        assert duplicates(server, 50, 60) == 0
    return reader, begin


@pytest.mark.long
def test_a_folder_moves_to_a_cluster_and_back(nats_server: NatsServers, tmp_path: Path) -> None:
    """A reader with its earlier tokens and session gets each event once.

    Duplicates are still detected.
    """
    url = nats_server.account()
    embedded = Server(tmp_path)
    reader, begin = started_embedded(embedded)
    move_folder("import", embedded.data, url)

    (tmp_path / "other").mkdir()
    one = Server(tmp_path, options=["--log", url, "--node", "one"])
    two = Server(tmp_path / "other", options=["--log", url, "--node", "two"])
    with one, two:
        assert reader.read_new_events(two) == dict.fromkeys(FEEDS, 10)
        assert duplicates(two, 40, 70) == 2 * 20
        assert reader.read_new_events(one) == dict.fromkeys(FEEDS, 10)
        shown = cli("cluster", "status", "--log", url)
        assert shown.returncode == 0, shown.stdout + shown.stderr
        for node in ("one", "two"):
            assert re.search(rf"^{node} +ready +all +0 +\d", shown.stdout, re.MULTILINE)
        assert re.search(r"^FLOORCAST_0 +nats0 +1 of 1 +\d", shown.stdout, re.MULTILINE)
        refused = cli("cluster", "export", "--data", tmp_path / "other" / "data", "--log", url)
        assert "is in use by process" in refused.stderr

    move_folder("export", two.data, url)
    back = Server(tmp_path / "other")
    with back:
        assert duplicates(back, 60, 80) == 2 * 10
        assert reader.read_new_events(back) == dict.fromkeys(FEEDS, 10)
        whole = Reader(reader.session, begin)
        whole.read_new_events(back)
    assert whole.read == reader.read
    assert [one["accountNumber"] for one in whole.read[EVENTS]] == [str(n) for n in range(80)]


async def add_entry(data: Path, site: bytes = b"{}") -> None:
    """Add an entry to a data folder, which is created if it does not exist."""
    with DataFolder(data) as folder:
        log = EmbeddedLog(folder, system_now)
        await log.append_site(1, site)
        await log.close()
    await open_kv(data).close()


def refusal_message(
    move: Callable[[Settings], Coroutine[Any, Any, MigrationResult]], url: str, data: Path
) -> str:
    """Return the error message of a move, which must be refused."""
    with pytest.raises(SettingError) as refusal:
        asyncio.run(move(Settings(log=url, data=data)))
    return str(refusal.value)


async def add_keys(data: Path, count: int) -> None:
    store = open_kv(data)
    await store.write([Item("sessions", f"key{number}", b"{}") for number in range(count)])
    await store.close()


def test_a_move_reports_its_progress(nats_server: NatsServers, tmp_path: Path) -> None:
    """A move of many keys takes a while, in either direction."""
    settings = Settings(log=nats_server.account(), data=tmp_path / "data")
    asyncio.run(add_entry(settings.data))
    asyncio.run(add_keys(settings.data, 300))
    reports: list[tuple[int, int]] = []
    for move in (import_folder, export_cluster):
        asyncio.run(move(settings, lambda *report: reports.append(report)))
    assert reports == 2 * [(0, 300), (250, 300), (300, 300)]


def test_an_impossible_move_is_reported(nats_server: NatsServers, tmp_path: Path) -> None:
    """Moves with an invalid folder, a folder in use, other data or a running node are refused."""
    url = nats_server.account()
    for move in (import_folder, export_cluster):
        assert "does not exist; did you mean another --data?" in refusal_message(
            move, url, tmp_path / "nothing"
        )
    data, copy = tmp_path / "data", tmp_path / "copy"
    asyncio.run(add_entry(data))
    shutil.copytree(data, copy)
    with DataFolder(data):
        assert "is in use by process" in refusal_message(import_folder, url, data)
    assert "holds no copy of a cluster's log" in refusal_message(export_cluster, url, data)
    asyncio.run(import_folder(Settings(log=url, data=data)))
    assert "follows a cluster's log" in refusal_message(import_folder, url, data)
    asyncio.run(add_entry(copy, b"another"))
    assert "a different state of this folder" in refusal_message(import_folder, url, copy)
    asyncio.run(add_entry(tmp_path / "other"))
    assert "has a different log or site" in refusal_message(import_folder, url, tmp_path / "other")
    with Server(tmp_path, options=["--log", url, "--node", "one"]) as one:
        duplicates(one, 0, 1)
        assert "has new data since" in refusal_message(import_folder, url, copy)
        shutil.copytree(data, tmp_path / "now", ignore=shutil.ignore_patterns("*.lock"))
        assert "still running: one" in refusal_message(export_cluster, url, tmp_path / "now")
