"""Tests that ``floorcast erase`` removes a person from every file and changes no figure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from floorcast.archive.jobs import hash_key
from floorcast.archive.tables import read_parquet
from floorcast.auth import audit_log
from floorcast.log.port import Batch
from floorcast.model.errors import SettingError
from floorcast.model.inbound import read_lines
from floorcast.model.token import TICKS_PER_SECOND, encode, system_now
from floorcast.sqlite.checksums import add_checksum_function
from tests.archive.sealed_folders import START as BEGAN
from tests.archive.sealed_folders import Floor
from tests.cli.admin_commands import AdminCommands
from tests.log.batches import alert_transition
from tests.nats_servers import NatsServers
from tests.real.sites import event, ndjson

ERASE = ("erase", "--client", "47415", "--data", "server/data")
ERASE_BY_NAME = ("erase", "--client", "ACME", "--data", "server/data")
WRITTEN = ("+1 (212) 555-0147", "2125550147", "0012125550147")
TRACES = re.compile(rb"555.?0147|Lovelace|ACC-1\b|ada@example")


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Floor]:
    """Return a floor with calls from and to a person, a message to them, and another caller."""
    (tmp_path / "server").mkdir()
    floor = Floor(tmp_path / "server")
    floor.send("agent.state", agent="SEBY", eventType="READY", service="Sales")
    floor.advance(5)
    floor.call(1, phone=WRITTEN[0])
    floor.call(2, phone="+1 212 555 0999", name="Hopper")
    floor.advance(30)
    call = {"transactionId": 3, "sessionId": "S3"}
    floor.send("call.start", 5, **call, service="Sales", direction="OUTBOUND",
               phoneDialed=2125550147, note={"text": WRITTEN[2]})  # fmt: skip
    floor.send("agent.state", 1, agent="SEBY", eventType="IN_CALL", service="Sales",
               call={**call, "phoneNumber": WRITTEN[1], "account": "ACC-1"})  # fmt: skip
    floor.send("sms.attempt", service="Sales", eventType="Attempt", phoneNumber=WRITTEN[2])
    floor.send("email.attempt", service="Sales", eventType="Attempt", accountNumber="ACC-1",
               toEmail="ada@example.com")  # fmt: skip
    yield floor
    floor.harness.end()


@pytest.fixture
def admin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AdminCommands:
    """Return commands on the floor's folder."""
    return AdminCommands(tmp_path, monkeypatch)


def traces(folder: Path) -> set[str]:
    """Return the files that contain the person's data."""
    return {
        file.name
        for file in folder.rglob("*")
        if file.is_file() and TRACES.search(file.read_bytes())
    }


START = encode(47415, int(BEGAN.timestamp()) * TICKS_PER_SECOND, 0)  # in the floor's first second


def figures(floor: Floor) -> list[dict[str, object]]:
    """Return the services' figures, without the data of individual calls."""
    answer = floor.harness.ask("POST", "/realtime/service/stats", floor.harness.login(), json={})
    return [{**row, "calls": len(row["calls"])} for row in answer.json()["stats"]]


def feeds(floor: Floor) -> list[dict[str, object]]:
    """Return the events of both feeds."""
    session, found = floor.harness.login(), []
    for name in ("agentEvent", "event"):
        body = {"token": START}
        page = floor.harness.ask("POST", f"/realtime/{name}/feed", session, json=body)
        assert page.status_code == 200, page.text
        found += page.json().get("events") or page.json()["agentEvent"]
    return found


def test_erased_person_is_in_no_file(floor: Floor, admin: AdminCommands) -> None:
    """Neither log.db nor mirror.db has the person's data, even in free pages. Others' is kept."""
    before, shown = figures(floor), feeds(floor)
    floor.harness.close()
    data = floor.harness.data
    assert {"log.db", "mirror.db"} <= traces(data)
    output = admin.run(*ERASE, "--phone", "1-212-555-0147", "--account", "ACC-1", "--dry-run")
    assert "events of the log would be changed: 5" in output
    assert {"log.db", "mirror.db"} <= traces(data)
    output = admin.run(*ERASE_BY_NAME, "--phone", "1-212-555-0147", "--account", "ACC-1")
    assert "events of the log changed: 5" in output
    assert traces(data) == set()
    assert b"555 0999" in (data / "log.db").read_bytes()
    assert "events of the log changed: 0" in admin.run(*ERASE, "--phone", WRITTEN[1])
    assert "no difference" in admin.run("verify", "--data", "server/data")
    assert "is not damaged" in admin.run("verify", "--data", "server/data", "--disk")
    assert "there is no client ACMEE; the clients are: ACME" in admin.run_refused(
        "erase", "--client", "ACMEE", "--data", "server/data", "--phone", WRITTEN[1]
    )
    floor.harness.open()
    assert figures(floor) == before
    erased = feeds(floor)
    assert [one["eventId"] for one in erased] == [one["eventId"] for one in shown]
    assert not TRACES.search(json.dumps(erased).encode())
    assert TRACES.search(json.dumps(shown).encode())
    lines, _ = audit_log.read(data, last=None, events=frozenset({"erase"}))
    assert [line["client"] for line in lines] == [47415, 47415]
    assert not TRACES.search(json.dumps(list(lines)).encode())


def test_every_step_shows_its_progress_on_a_terminal(
    floor: Floor, admin: AdminCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large log takes many minutes. Without a terminal, only the result is printed."""
    floor.harness.close()
    erasing = (*ERASE, "--phone", WRITTEN[1])
    assert "entries" not in admin.invoke(*erasing, "--dry-run").stderr
    for name, value in (("TTY_COMPATIBLE", "1"), ("TTY_INTERACTIVE", "1"), ("COLUMNS", "120")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TERM", "xterm")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", admin.invoke(*erasing).stderr)
    for step in ("entries searched", "entries rewritten", "databases compacted"):
        done, total = re.findall(rf"(\d+)/(\d+) {step}", shown)[-1]
        assert done == total != "0", step


def test_alerts_are_not_erased(floor: Floor, admin: AdminCommands) -> None:
    """An alert whose threshold equals an account, and its webhooks, stay as they are."""
    line = alert_transition()
    server = floor.harness.node.server
    floor.harness.run(server.log.append(Batch(47415, [line], read_lines(line))))
    floor.advance(75)
    floor.seal_all(personal="keep")
    floor.harness.close()
    output = admin.run(*ERASE, "--account", "30", "--account", "Wait",
                     "--archive", "server/archive")  # fmt: skip
    assert "events of the log changed: 0" in output
    assert "events of feeds changed: 0" in output
    assert "rows of the archive changed: 0" in output
    assert line in (floor.harness.data / "log.db").read_bytes()
    assert "is not damaged" in admin.run("verify", "--data", "server/data", "--disk")
    assert "no difference" in admin.run("verify", "--data", "server/data")


def test_free_pages_are_cleared(floor: Floor, admin: AdminCommands) -> None:
    """Bytes of rows that retention deleted earlier are gone, too."""
    floor.harness.close()
    connection = apsw.Connection(str(floor.harness.data / "log.db"))
    add_checksum_function(connection)
    connection.execute("DELETE FROM entries WHERE payload LIKE '%sms.attempt%'")
    connection.close()
    admin.run(*ERASE, "--phone", WRITTEN[0], "--account", "ACC-1")
    assert traces(floor.harness.data) == set()


@pytest.mark.parametrize("personal", ["keep", "hash"])
def test_person_is_erased_from_the_archive(
    floor: Floor, admin: AdminCommands, personal: str
) -> None:
    """The manifest records the removal, the figures agree, and the other caller's data is kept."""
    floor.advance(75)
    secret = floor.harness.node.server.token_secret
    floor.seal_all(personal=personal, key=hash_key(secret))
    floor.harness.close()
    output = admin.run(*ERASE, "--phone", "+12125550147", "--account", "ACC-1",
                     "--archive", "server/archive")  # fmt: skip
    assert "rows of the archive changed: 0" not in output
    archive = ("--archive", "server/archive")
    if personal == "keep":
        admin.run("archive", "export", "out", *archive, "--format", "csv")
        assert traces(admin.folder / "out") == set()
        assert "555 0999" in (admin.folder / "out" / "calls.csv").read_text()
    assert "no findings" in admin.run("archive", "verify", *archive)
    listed = admin.run("archive", "list", *archive).splitlines()
    assert listed[1].split()[-1] == "1"
    again = admin.run(*ERASE, "--phone", "+12125550147", "--account", "ACC-1", *archive)
    assert "rows of the archive changed: 0" in again


def test_hashes_from_a_cluster_need_the_cluster_key(
    tmp_path: Path, admin: AdminCommands, nats_server: NatsServers
) -> None:
    """Without the cluster's address, nothing is changed and the message asks for the address."""
    url = nats_server.account()
    (tmp_path / "server").mkdir()
    floor = Floor(tmp_path / "server", log=url)
    floor.clock.move((system_now() - floor.clock()) / TICKS_PER_SECOND)  # as NATS stamps entries
    floor.call(1)
    floor.call(2, phone="+1 212 555 0999", name="Hopper")
    floor.advance(75)
    floor.seal_all(personal="hash", key=hash_key(floor.harness.node.server.token_secret))
    floor.harness.end()
    command = (*ERASE, "--phone", WRITTEN[1], "--archive", "server/archive")
    before = (floor.harness.data / "log.db").read_bytes(), floor.files()
    with pytest.raises(SettingError, match="--log nats://"):
        admin.invoke(*command)
    assert ((floor.harness.data / "log.db").read_bytes(), floor.files()) == before
    # a person who is no longer in the log is found by the hash alone
    output = admin.run(
        *command[:-4], "--account", "ACC-1", *command[-2:], "--log", url, "--dry-run"
    )
    assert "rows of the archive would be changed: 0" not in output
    output = admin.run(*command, "--log", url)
    assert "Run the command on every node" in output
    calls = [file for name, file in floor.files().items() if name.endswith("/calls.parquet")]
    rows = [row for file in calls for row in read_parquet(file).to_pylist()]
    assert {row["sessionId"]: row["phone"] is None for row in rows} == {"S1": True, "S2": False}
    assert "rows of the archive changed: 0" in admin.run(*command, "--log", url)


def test_erasing_is_refused_while_the_server_runs(floor: Floor, admin: AdminCommands) -> None:
    """A running server still has the data in memory."""
    with pytest.raises(SettingError, match="stop it first"):
        admin.invoke(*ERASE, "--phone", WRITTEN[0])
    floor.harness.take(ndjson([event("sms.attempt", 99, service="Sales", eventType="Attempt")]))


def test_a_missing_archive_is_reported(floor: Floor, admin: AdminCommands) -> None:
    """With a wrong path, the person stays in the archive. Before the first hour, there is none."""
    floor.harness.close()
    result = admin.invoke(*ERASE, "--phone", "+12125550147", "--archive", "server/archiv")
    floor.harness.open()
    assert result.exit_code == 0
    assert "warning: no archive at server/archiv\n" in result.stderr


def test_errors_say_what_to_change(floor: Floor, admin: AdminCommands) -> None:
    """A missing person, a malformed number and an unknown client are errors."""
    floor.harness.close()
    with pytest.raises(SettingError, match="--phone or --account"):
        admin.invoke(*ERASE)
    with pytest.raises(SettingError, match="must be a phone number"):
        admin.invoke(*ERASE, "--phone", "Ada")
    with pytest.raises(SettingError, match="client 4711 is neither in the log"):
        admin.invoke("erase", "--client", "4711", "--data", "server/data", "--phone", "2125550147")
    floor.harness.open()
