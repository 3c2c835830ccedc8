"""Tests of the audit log's entries for requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from floorcast.auth.audit_files import opened
from floorcast.auth.audit_log import AuditLog, read
from tests.http.servers import ACME, TOKENS, ApiHarness, run_with_harness

LOGIN = {"clientName": "ACME", "userName": "sysadmin", "password": "correct horse"}
ACCESS = {"LV-Access": TOKENS["ACME"]}


def audited(
    folder: Path, work: Callable[[ApiHarness], Awaitable[None]]
) -> list[Mapping[str, object]]:
    """Return the lines written by a test's requests."""

    async def work_with_audit_log(harness: ApiHarness) -> None:
        harness.server.audit = AuditLog(folder, harness.loop.now)
        await work(harness)
        harness.server.audit.flush(everything=True)

    run_with_harness(work_with_audit_log)
    found, damaged = read(folder)
    assert damaged.total == 0
    with opened(folder) as files:
        text = "".join(one.path.read_text() for one in files)
    assert not any(secret in text for secret in ("correct horse", "my own pass", "token-for"))
    return list(found)


def test_logins_and_logouts_record_the_user_and_the_address(tmp_path: Path) -> None:
    """The lines have the client, the user, the address, and a hash of the session.

    The hash cannot be used as an id.
    """
    ids: list[str] = []

    async def work(harness: ApiHarness) -> None:
        session = (await harness.login())["LV-Session"]
        ids.append(session)
        await harness.http.delete(f"/session/logout/{session}")
        await harness.http.delete(f"/session/logout/{session}")

    login, logout = audited(tmp_path, work)
    assert (login["event"], logout["event"]) == ("login", "logout")
    for line in (login, logout):
        assert (line["client"], line["user"], line["name"]) == (ACME, 9001, "sysadmin")
        assert line["address"] == "192.0.2.1"
        assert line["session"] == login["session"]
    assert ids[0] not in str([login, logout])


def test_failed_logins_name_only_existing_users(tmp_path: Path) -> None:
    """An unknown name may be a password typed into the wrong field. A client's id is known, too."""

    async def work(harness: ApiHarness) -> None:
        for change in (
            {"password": "wrong horse"},
            {"userName": "my own password"},
            {"clientName": "my own pass"},
            {"clientName": str(ACME), "password": "wrong horse"},
        ):
            await harness.http.post("/session/login", headers=ACCESS, json=LOGIN | change)

    lines = audited(tmp_path, work)
    assert [line["event"] for line in lines] == ["login_failed"] * 4
    assert [line.get("user") for line in lines] == [9001, None, None, 9001]
    assert [line.get("client") for line in lines] == [ACME, ACME, None, ACME]
    assert "API token" in str(lines[2]["why"])


def test_throttled_logins_are_grouped(tmp_path: Path) -> None:
    """Five failures have their own lines. All later failures share one line with their number."""

    async def work(harness: ApiHarness) -> None:
        for _ in range(25):
            await harness.http.post(
                "/session/login", headers=ACCESS, json=LOGIN | {"password": "wrong horse"}
            )

    events = [(line["event"], line.get("more")) for line in audited(tmp_path, work)]
    assert events == [("login_failed", None)] * 5 + [("login_slowed", None), ("login_slowed", 19)]


def test_password_changes_and_their_failures_are_recorded(tmp_path: Path) -> None:
    """The lines name the user, but no password."""

    async def work(harness: ApiHarness) -> None:
        for password in ("wrong horse", "correct horse"):
            change = LOGIN | {"password": password, "newPassword": "my own password"}
            await harness.http.post("/session/password", headers=ACCESS, json=change)

    lines = audited(tmp_path, work)
    told = [(line["event"], line["user"]) for line in lines]
    assert told == [("password_change_failed", 9001), ("password_changed", 9001)]


def test_denied_requests_are_recorded(tmp_path: Path) -> None:
    """The line has the path for a denied role, and the address for an invalid ingest key."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login("auditor")
        for _ in range(3):
            await harness.http.post("/realtime/service/stats", headers=session)
        wrong = {"Authorization": "Bearer my own password"}
        for _ in range(25):
            await harness.http.post("/ingest/v1/events", headers=wrong)

    lines = audited(tmp_path, work)[1:]
    refused = lines[0]
    assert (refused["event"], refused["name"], refused["path"]) == (
        "refused",
        "auditor",
        "/realtime/service/stats",
    )
    assert "Auditor" in str(refused["why"])
    told = [(line["event"], line.get("more")) for line in lines]
    assert told == [
        ("refused", None),
        ("ingest_key_refused", None),
        ("refused", 2),
        ("ingest_key_refused", 24),
    ]
