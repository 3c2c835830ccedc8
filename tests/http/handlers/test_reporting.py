"""Tests of reports over HTTP, which combine past and present within limits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.archive.sealed_folders import Floor

SALES = {"filter": {"service": [{"id": 38049}]}}
DAY = {"from": "2026-11-24", "to": "2026-11-24", **SALES}
EVERYTHING = {"from": "2026-11-24", "to": "2026-11-24"}


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Floor]:
    """Yield a floor with two sealed hours and one in progress."""
    path = tmp_path_factory.mktemp("floor")
    floor = Floor(path, archive=str(path / "archive"))
    floor.send("agent.state", agent="SEBY", eventType="LOGON", service="Sales")
    floor.send("agent.state", agent="SEBY", eventType="READY", service="Sales")
    help_call: dict[str, Any] = {"transactionId": 99, "sessionId": "S99", "service": "Help"}
    floor.advance(5)
    floor.send("call.start", **help_call, direction="INBOUND")
    floor.send("call.queue", **help_call)
    floor.send("call.end", **help_call)
    for number in range(5):
        floor.call(number + 1)
        floor.advance(30)
        floor.send("agent.state", agent="SEBY", eventType="NOT_READY", reason="LUNCH")
        floor.advance(1)
        floor.send("agent.state", agent="SEBY", eventType="READY")
    help_call |= {"transactionId": 100, "sessionId": "S100"}
    floor.send("call.start", **help_call, direction="INBOUND")
    floor.send("call.queue", **help_call)
    floor.send("call.end", **help_call)
    sealing = floor.harness.node.archiver
    assert sealing is not None
    floor.harness.run(sealing.run_round())
    yield floor
    floor.harness.end()


def ask(floor: Floor, path: str, body: dict[str, Any], user: str = "sysadmin") -> Any:  # noqa: ANN401 -- JSON
    """Return the response's status and body."""
    answer = floor.harness.ask("POST", path, floor.harness.login(user), json=body)
    return answer.status_code, answer.json()


def test_the_floor_has_sealed_and_current_hours(floor: Floor) -> None:
    """Otherwise, the tests below would not combine past and present."""
    sealed = list(floor.archive.glob("client=47415/date=2026-11-24/hour=*/manifest.json"))
    assert len(sealed) == 2


@pytest.mark.parametrize("interval", ["day", 900, 1800, 3600])
def test_service_reports_match_the_live_statistics(floor: Floor, interval: object) -> None:
    """Additive figures sum to the day's figures. Quarter hours equal those of the live method."""
    status, report = ask(floor, "/reporting/service/stats", {**DAY, "interval": interval})
    assert (status, report["missing"]) == (200, [])
    rows = report["intervals"]
    _, live = ask(floor, "/realtime/service/stats", SALES)
    (day,) = live["stats"]
    assert sum(row["offered"] for row in rows) == day["totalOffered"] == 5
    assert sum(row["handled"] for row in rows) == day["totalHandled"]
    if interval == "day":
        (row,) = rows
        assert row["averageSpeedOfAnswer"] == day["averageSpeedOfAnswer"]
        assert row["serviceLevel"] == day["serviceLevel"]
        assert row["waitP90"] == 10
        assert not row["complete"]
    else:
        body = {"interval": interval, **SALES}
        _, intervals = ask(floor, "/realtime/service/stats/intervals", body)
        assert rows == intervals["intervals"]


def test_agent_reports_match_the_live_statistics(floor: Floor) -> None:
    """The daily figures equal ``agent/stats/ex``, and the intervals sum to them."""
    _, live = ask(floor, "/realtime/service/agent/stats/ex", SALES)
    _, report = ask(floor, "/reporting/agent/stats", {**DAY, "interval": "day"})
    (agent,) = report["intervals"]
    (expected,) = live["agentStatistics"]
    assert {name: agent[name] for name in expected} == expected
    _, report = ask(floor, "/reporting/agent/stats", {**DAY, "interval": 900})
    assert len(report["intervals"]) > 8
    (service,) = expected["services"]
    for name in ("inboundCalls", "readyDuration", "notReadyLunchDuration"):
        summed = sum(one[name] for row in report["intervals"] for one in row["services"])
        assert summed == service[name]


def test_calls_are_listed_page_by_page(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call is listed once, at its end. The agent and the outcome select calls."""
    monkeypatch.setattr("floorcast.http.handlers.reporting.MAX_CALLS", 2)
    found, cursor = [], None
    while True:
        status, page = ask(floor, "/reporting/calls", {**DAY, "cursor": cursor})
        assert status == 200
        found += [call["transactionId"] for call in page["calls"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert found == ["1", "2", "3", "4", "5"]
    call = page["calls"][0]
    assert (call["wait"], call["talk"], call["outcome"]) == (10, 60, "handled")
    assert (call["phone"], call["agentLoginId"]) == (None, "SEBY")
    _, page = ask(floor, "/reporting/calls", {**DAY, "agentLoginId": "VKUMARK"})
    assert page["calls"] == []
    _, page = ask(floor, "/reporting/calls", {**DAY, "outcome": "abandoned"})
    assert page["calls"] == []


def test_times_are_extended_to_whole_intervals(floor: Floor) -> None:
    """The first and last intervals contain the given times."""
    start = 1795532400000  # 10:00
    body = {**SALES, "from": start + 60_000, "to": start + 16 * 60_000, "interval": 900}
    _, report = ask(floor, "/reporting/service/stats", body)
    assert {row["start"] for row in report["intervals"]} <= {start, start + 900_000}
    assert report["intervals"][0]["start"] == start


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"to": "2026-11-24"}, "from is missing"),
        ({"from": "2026-11-24"}, "to is missing"),
        ({"from": "soon", "to": "2026-11-24"}, "from must be a date"),
        ({"from": "2026-11-24", "to": "2026-11-23"}, "to must be after from"),
        ({"from": "2026-10-01", "to": "2026-11-24"}, "more than 31 days"),
        ({"from": "0001-01-01", "to": "0001-01-02"}, "from must be a date"),
        ({"from": -62_135_596_800_000, "to": -62_135_596_700_000}, "from must be a date"),
        ({"from": "9999-12-30", "to": "9999-12-30"}, "from must be a date"),
        ({"from": "9999-12-31", "to": "9999-12-31"}, "must be a date"),
        ({**DAY, "interval": 300}, "interval must be"),
        ({**DAY, "filter": {"service": [{"id": 1}]}}, "filter.service"),
    ],
)
def test_errors_say_what_to_change(floor: Floor, body: dict[str, Any], says: str) -> None:
    """The response is 400."""
    status, answer = ask(floor, "/reporting/service/stats", body)
    assert status == 400
    assert says in answer["message"]


def test_an_invalid_cursor_is_refused(floor: Floor) -> None:
    """Other values of the wrong type are also refused."""
    for body, says in (
        ({"cursor": "x"}, "cursor"), ({"outcome": "x"}, "outcome"), ({"agentLoginId": 1}, "agent"),
    ):  # fmt: skip
        status, answer = ask(floor, "/reporting/calls", {**DAY, **body})
        assert status == 400
        assert says in answer["message"]


def test_too_many_services_are_code_202(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The services may be named or implied, as in the vendor's Reporting API."""
    monkeypatch.setattr("floorcast.http.handlers.reporting.MAX_REPORT_SERVICES", 2)
    status, answer = ask(floor, "/reporting/service/stats", EVERYTHING)
    assert (status, answer["code"]) == (400, 202)
    assert ask(floor, "/reporting/service/stats", DAY)[0] == 200


def test_service_roles_and_auditors_can_read_reports(floor: Floor) -> None:
    """A user who is limited to call centers sees only the services of these call centers."""
    for user in ("manager", "superuser", "auditor"):
        assert ask(floor, "/reporting/service/stats", DAY, user)[0] == 200
    for user, seen in (("sysadmin", {"38049", "38050"}), ("limited", {"38049"})):
        _, report = ask(floor, "/reporting/service/stats", EVERYTHING, user)
        assert {row["serviceId"] for row in report["intervals"]} == seen
        _, report = ask(floor, "/reporting/calls", EVERYTHING, user)
        assert {str(call["serviceId"]) for call in report["calls"]} == seen
        assert len(report["calls"]) == (7 if user == "sysadmin" else 5)
        _, report = ask(floor, "/reporting/agent/stats", EVERYTHING, user)
        served = {one["id"] for row in report["intervals"] for one in row["services"]}
        assert served == {38049}


def test_the_error_without_an_archive_names_the_setting(tmp_path: Path) -> None:
    """The method exists, and its error names the setting to switch on."""
    floor = Floor(tmp_path)
    try:
        status, answer = ask(floor, "/reporting/calls", DAY)
        assert status == 404
        assert "setting archive" in answer["message"]
    finally:
        floor.harness.end()
