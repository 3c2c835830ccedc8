"""Tests that ``floorcast erase`` treats a person's call alike in the log and in the archive."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from floorcast.archive.jobs import hash_key
from floorcast.archive.personal import keyed_hash
from floorcast.archive.storage import Archive
from floorcast.archive.tables import read_parquet
from floorcast.model.errors import SettingError, Unavailable
from tests.archive.sealed_folders import START, Floor
from tests.cli.admin_commands import AdminCommands
from tests.real.sites import ACME, SITE, event, ndjson

SALES = 38049  # the id of the service
PHONE, OTHER = "+1 212 555 0147", "+1 212 555 0999"
ERASE = ("erase", "--client", "47415", "--data", "server/data", "--archive", "server/archive")


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Floor]:
    """Return a floor at 10:02 without calls."""
    (tmp_path / "server").mkdir()
    floor = Floor(tmp_path / "server")
    yield floor
    floor.harness.end()


@pytest.fixture
def admin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AdminCommands:
    """Return commands on the floor's folder."""
    return AdminCommands(tmp_path, monkeypatch)


def key(number: int) -> dict[str, Any]:
    """Return the members that identify a call."""
    return {"transactionId": number, "sessionId": f"S{number}"}


def start(floor: Floor, number: int, **data: object) -> None:
    """Send the start of a call."""
    members = {**key(number), "service": "Sales", "direction": "INBOUND", **data}
    floor.send("call.start", 0, **members)


def archived(floor: Floor) -> list[dict[str, Any]]:
    """Return the archive's events and calls, with the events' data decoded."""
    rows: list[dict[str, Any]] = []
    for name, content in floor.files().items():
        if name.endswith(("events.parquet", "calls.parquet")):
            rows += read_parquet(content).to_pylist()
    return [row | ({"data": json.loads(row["data"])} if row.get("data") else {}) for row in rows]


def personal(floor: Floor) -> set[str]:
    """Return the personal values in the archive."""
    known = ("callerId", "phoneDialed", "account", "firstName", "lastName", "phone", "to")

    def values(data: dict[str, Any]) -> Iterator[str]:
        for name, value in data.items():
            if isinstance(value, dict):
                yield from values(value)
            elif name in known and value is not None:
                yield value

    return {value for row in archived(floor) for value in values(row)}


def test_events_that_do_not_name_the_person_are_erased_with_their_call(
    floor: Floor, admin: AdminCommands
) -> None:
    """The call's identifying event may be in another archived hour."""
    start(floor, 1, callerId=PHONE)
    start(floor, 2, callerId=OTHER)
    floor.advance(57)
    floor.send("call.update", **key(1), consumer={"firstName": "Ada", "lastName": "Lovelace"})
    floor.send("call.update", **key(2), consumer={"firstName": "Grace", "lastName": "Hopper"})
    floor.advance(5)
    floor.send("agent.state", agent="SEBY", eventType="IN_CALL", service="Sales",
               call={**key(1), "account": "ACC-1"})  # fmt: skip
    floor.send("call.leave", **key(1), reason="TRANSFER", to="+1 212 555 0111")
    floor.send("call.end", **key(1))
    floor.send("call.end", **key(2))
    floor.advance(90)
    floor.seal_all(personal="keep")
    floor.harness.close()
    assert {"Ada", "Lovelace", "ACC-1", "+1 212 555 0111", PHONE} <= personal(floor)
    admin.run(*ERASE, "--phone", PHONE)
    assert personal(floor) == {OTHER, "Grace", "Hopper"}
    assert "no findings" in admin.run("archive", "verify", "--archive", "server/archive")
    assert "rows of the archive changed: 0" in admin.run(*ERASE, "--phone", PHONE)


def test_a_masked_call_is_erased_if_the_log_names_it(floor: Floor, admin: AdminCommands) -> None:
    """A masked value identifies nobody. The log still has the call's identifying event."""
    start(floor, 1, callerId=PHONE)
    floor.advance(57)
    floor.send("call.update", **key(1), account="ACC-12345")
    floor.send("call.end", **key(1))
    floor.advance(90)
    floor.seal_all(personal="mask")
    floor.harness.close()
    assert {"*****2345", "***********0147"} <= personal(floor)
    admin.run(*ERASE, "--phone", PHONE)
    assert personal(floor) == set()


@pytest.mark.parametrize("mode", ["drop", "mask", "keep"])
def test_a_number_in_a_member_that_is_not_personal_is_erased(
    floor: Floor, admin: AdminCommands, mode: str
) -> None:
    """It is in the archive in every mode, because only personal members are treated."""
    floor.send("agent.state", agent="SEBY", eventType="READY", service="Sales", lineNumber=PHONE)
    floor.send("agent.state", agent="SEBY", eventType="READY", service="Sales", lineNumber=OTHER)
    floor.send("agent.state", agent="SEBY", eventType="NOT_READY", skill="ACC-1")
    start(floor, 1)
    floor.send("call.queue", **key(1), skill=PHONE)
    floor.send("call.end", **key(1), lvResult=f"called {PHONE}")
    floor.advance(90)
    floor.seal_all(personal=mode)
    floor.harness.close()
    admin.run(*ERASE, "--phone", "2125550147", "--account", "ACC-1")
    data = [row["data"] for row in archived(floor) if row.get("data")]
    assert [one.get("lineNumber") for one in data[:3]] == [None, OTHER, None]
    assert [one.get("skill") or one.get("lvResult") for one in data] == [None] * 6
    assert {row.get("lvResult") for row in archived(floor)} == {None}
    for file in ("log.db", "mirror.db"):
        content = (floor.harness.data / file).read_bytes()
        assert b"555 0147" not in content
        assert b"ACC-1" not in content
    assert "no findings" in admin.run("archive", "verify", "--archive", "server/archive")
    again = admin.run(*ERASE, "--phone", "2125550147", "--account", "ACC-1")
    assert "rows of the archive changed: 0" in again


def test_an_account_that_equals_an_id_changes_no_figure(floor: Floor, admin: AdminCommands) -> None:
    """A person's account or internal number can be a service's id or an agent's login."""
    floor.send("agent.state", agent="1001", eventType="READY", service=SALES)
    start(floor, 1, callerId="1001", account=str(SALES), service=SALES)
    floor.send("call.queue", **key(1), service=SALES)
    floor.send("call.answer", **key(1), agent="1001")
    floor.send("call.disposition", **key(1), agent="1001", termCode="1001")
    floor.send("agent.state", agent="1001", eventType="NOT_READY", reason="1001")
    floor.send("call.end", **key(1))
    session = floor.harness.login()

    def figures() -> list[object]:
        found: list[object] = []
        for path in ("stats", "agents/status", "agent/stats"):
            answer = floor.harness.ask("POST", f"/realtime/service/{path}", session, json={})
            found.append({**answer.json(), "timeStamp": 0})
        return found

    before = figures()
    floor.harness.close()
    output = admin.run(*ERASE[:-2], "--phone", "1001", "--account", str(SALES))
    assert "events of the log changed: 1" in output
    (floor.harness.data / "mirror.db").unlink()
    floor.harness.open()
    assert figures() == before


def test_a_client_that_only_the_archive_has_is_erased(
    floor: Floor, admin: AdminCommands, tmp_path: Path
) -> None:
    """The archive can be older than the data folder. An unknown client is still an error."""
    start(floor, 1, callerId=PHONE)
    floor.advance(75)
    floor.seal_all(personal="keep")
    floor.harness.close()
    (tmp_path / "new").mkdir()
    Floor(tmp_path / "new", site=SITE.replace(str(ACME), "4711")).harness.end()
    new = [*ERASE]
    new[new.index("server/data")] = "new/data"
    assert personal(floor) == {PHONE}
    assert "rows of the archive changed: 1" in admin.run(*new, "--phone", PHONE)
    assert personal(floor) == set()
    with pytest.raises(SettingError, match="client 47416 is neither in the log"):
        admin.invoke("erase", "--client", "47416", *new[3:], "--phone", PHONE)


def earlier(floor: Floor, tmp_path: Path, days: float) -> None:
    """Archive a call of the person's that another log recorded some days earlier."""
    (tmp_path / "old").mkdir()
    old = Floor(tmp_path / "old", START - timedelta(days=days))
    start(old, 1, callerId=PHONE)
    old.send("call.update", **key(1), account="ACC-1")
    old.advance(75)
    old.seal_all(personal="keep", archive=str(floor.archive))
    old.harness.end()


def test_events_in_the_log_are_erased_if_only_the_archive_names_their_call(
    floor: Floor, admin: AdminCommands, tmp_path: Path
) -> None:
    """The identifying event has left the log. Later events of the same call have not."""
    earlier(floor, tmp_path, 0.5)
    floor.send("call.update", **key(1), consumer={"lastName": "Lovelace"})
    floor.advance(75)
    floor.seal_all(personal="keep")
    floor.harness.close()
    assert "Lovelace" in personal(floor)
    admin.run(*ERASE, "--phone", PHONE)
    assert personal(floor) == set()
    for file in ("log.db", "mirror.db"):
        assert b"Lovelace" not in (floor.harness.data / file).read_bytes()


def test_another_call_with_the_same_id_is_kept(
    floor: Floor, admin: AdminCommands, tmp_path: Path
) -> None:
    """The id of the person's call is used again a month later, and by another client."""
    earlier(floor, tmp_path, 30)
    start(floor, 1, callerId=OTHER, consumer={"firstName": "Grace", "lastName": "Hopper"})
    mine = [event("call.start", 1, **key(1), service="Sales", direction="INBOUND", callerId=OTHER)]
    floor.harness.take(ndjson(mine), client="CHILD")
    floor.advance(75)
    floor.seal_all(personal="keep")
    floor.harness.close()
    admin.run(*ERASE, "--phone", PHONE)
    assert personal(floor) == {OTHER, "Grace", "Hopper"}
    log = (floor.harness.data / "log.db").read_bytes()
    assert b"Hopper" in log
    assert log.count(OTHER.encode()) == 2
    admin.run(*ERASE, "--phone", OTHER)
    assert personal(floor) == set()


@pytest.mark.long
@pytest.mark.parametrize("written", ["2125550147", "001-212-555-0147"])
def test_a_hashed_number_is_found_in_any_notation(
    floor: Floor, admin: AdminCommands, tmp_path: Path, written: str
) -> None:
    """The log no longer has the call. Sources write numbers with or without a country code."""
    (tmp_path / "old").mkdir()
    old = Floor(tmp_path / "old", START - timedelta(days=30))
    start(old, 1, callerId=written)
    start(old, 2, callerId=OTHER)
    old.advance(75)
    key_of_floor = hash_key(floor.harness.node.server.token_secret)
    old.seal_all(personal="hash", key=key_of_floor, archive=str(floor.archive))
    old.harness.end()
    floor.harness.close()
    assert len(personal(floor)) == 2
    admin.run(*ERASE, "--phone", PHONE)
    assert personal(floor) == {keyed_hash(OTHER, key_of_floor)}


@pytest.mark.long
def test_a_failed_erasure_can_be_repeated(
    floor: Floor, admin: AdminCommands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever write to the archive fails, the next run erases the rest.

    In each hour, one call is named and another call, which is named in the next hour, goes on.
    """
    earlier(floor, tmp_path, 0.5)
    start(floor, 2, account="ACC-2")
    floor.send("call.update", **key(1), callerId=PHONE, consumer={"firstName": "Ada"})
    floor.send("call.end", **key(1))
    floor.advance(57)
    floor.send("call.update", **key(2), callerId=PHONE, consumer={"lastName": "Lovelace"})
    floor.send("call.end", **key(2))
    floor.advance(90)
    floor.seal_all(personal="keep")
    floor.harness.close()
    sealed = floor.files()
    writes = failing = 0
    write = Archive.write

    def failing_write(self: Archive, path: str, content: bytes) -> None:
        nonlocal writes
        writes += 1
        if writes == failing:
            raise Unavailable("the bucket is unavailable")
        write(self, path, content)

    monkeypatch.setattr(Archive, "write", failing_write)
    shutil.copytree(floor.harness.data, tmp_path / "kept")
    while failing < 50:
        failing += 1
        for path, content in sealed.items():
            (floor.archive / path).write_bytes(content)
        shutil.rmtree(floor.harness.data)
        shutil.copytree(tmp_path / "kept", floor.harness.data)
        writes = 0
        try:
            admin.run(*ERASE, "--phone", PHONE)
        except Unavailable:
            writes = 50
            admin.run(*ERASE, "--phone", PHONE)
        else:
            break
        assert personal(floor) == set(), failing
        assert "no findings" in admin.run("archive", "verify", "--archive", "server/archive")
    assert failing > 6
