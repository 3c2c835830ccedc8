"""Tests with the bank's records: a small day with every irregularity, and two real days."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from floorcast.client.cloud_event import CloudEvent
from floorcast.connectors import anonymous_bank, call_records
from floorcast.model.inbound import InboundEvent

HERE = Path(__file__).resolve()
GOLDEN = HERE.parents[1] / "golden" / "anonymous_bank"
REAL = HERE.parents[3] / "shared" / "data" / "anonymous-bank"
PLACED = "-1999-08-05-2026-03-04"
HEADING, FIRST = GOLDEN.joinpath("day.csv").read_text("utf-8").splitlines()[:2]

real = pytest.mark.parametrize("day", ["1999-08-01", "1999-08-02"])


def golden_events() -> list[CloudEvent]:
    calls = anonymous_bank.read(GOLDEN.joinpath("day.csv").read_text("utf-8").splitlines())
    shift = call_records.shift_to_day(calls, date(2026, 3, 4), ZoneInfo("UTC"))
    return call_records.events(calls, shift, "anonymous-bank")


def line_of(event: CloudEvent) -> str:
    """Return an event as a line of ``events.txt``."""
    data = {
        name: value
        for name, value in event.data.items()
        if name not in {"transactionId", "direction"}
    }
    call = str(data.pop("sessionId", "")).removesuffix(PLACED)
    if event.type == "agent.state":
        about = data.get("call")
        named = f" {about['sessionId'].removesuffix(PLACED)}" if isinstance(about, dict) else ""
        what = f"{data['agent']} {data['eventType']} {data['service']}{named}"
    else:
        what = " ".join([event.type, call, *(f"{name}={value}" for name, value in data.items())])
    return f"{event.time:%d %H:%M:%S} {what}"


def real_rows(day: str) -> list[dict[str, str]]:
    file = REAL / f"{day}.csv"
    if not file.exists():
        pytest.skip(f"the bank's real days are not here: {file.name} in ../shared/data")
    with file.open(encoding="utf-8", newline="") as lines:
        return [row for row in csv.DictReader(lines) if row["outcome"] != "PHANTOM"]


def real_events(day: str) -> list[CloudEvent]:
    with (REAL / f"{day}.csv").open(encoding="utf-8", newline="") as lines:
        calls = anonymous_bank.read(lines)
    shift = call_records.shift_to_end_at(calls, datetime(2026, 3, 4, 12, tzinfo=UTC))
    return call_records.events(calls, shift, "anonymous-bank")


def event_times(events: Iterable[CloudEvent]) -> dict[str, dict[str, datetime]]:
    """Return the times of each call's own events."""
    found: dict[str, dict[str, datetime]] = {}
    for event in events:
        if event.type.startswith("call."):
            moments = found.setdefault(str(event.data["sessionId"]), {})
            assert event.type not in moments
            moments[event.type] = event.time
    return found


def session_id(row: Mapping[str, str]) -> str:
    return f"{row['vru+line']}-{row['call_id']}-{row['date']}"


def seconds_between(moments: Mapping[str, datetime], begin: str, end: str) -> float:
    return (moments[end] - moments[begin]).total_seconds()


def test_irregular_records_produce_the_expected_events() -> None:
    """The small day produces the events in ``events.txt``, which were derived by hand."""
    expected = GOLDEN.joinpath("events.txt").read_text("utf-8").splitlines()
    assert [line_of(event) for event in golden_events()] == expected


def test_all_events_conform_to_the_contract() -> None:
    """Every event of the small day can be decoded as an event of the contract."""
    for event in golden_events():
        msgspec.json.decode(msgspec.json.encode(event), type=InboundEvent)


def test_an_empty_file_has_no_calls() -> None:
    """An empty file and a file with only a header row are both valid."""
    assert anonymous_bank.read([]) == []
    assert anonymous_bank.read([HEADING]) == []


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("0:10:10", "ten", "line 2: vru_entry is 'ten', expected h:mm:ss"),
        ("1999-08-05", "050899", "line 2: date is '050899', expected YYYY-MM-DD"),
        ("HANG", "LOST", "line 2: outcome is 'LOST', expected AGENT, HANG or PHANTOM"),
        (",,0,", ",,x,", "line 2: priority is 'x', expected a whole number"),
        (",0,HANG", ",-1,HANG", "line 2: q_time is '-1', expected seconds, 0 or more"),
        (",NO_SERVER", "", "line 2: server is missing, expected text"),
    ],
)
def test_an_error_locates_the_invalid_record(right: str, wrong: str, message: str) -> None:
    """The error names the line, the column, the value and the expected value."""
    with pytest.raises(ValueError, match="line 2") as caught:
        anonymous_bank.read([HEADING, FIRST.replace(right, wrong, 1)])
    assert str(caught.value) == message


def test_more_records_per_date_than_ids_are_rejected() -> None:
    """The 100,000th record of a date is an error, because transaction ids must stay unique."""
    lines = [HEADING, *[FIRST] * 100_000]
    with pytest.raises(ValueError, match="at most 99999 records per date"):
        anonymous_bank.read(lines)


@real
def test_waits_and_talk_times_match_the_records(day: str) -> None:
    """Each call's events, wait and talk time are right to the second."""
    rows, found = real_rows(day), event_times(real_events(day))
    assert len(found) == len(rows)
    for row in rows:
        moments = found[session_id(row)]
        waited, served = int(row["q_time"]), row["outcome"] == "AGENT"
        assert ("call.queue" in moments) == (waited > 0)
        assert ("call.answer" in moments) == served
        if waited:
            over = "call.answer" if served else "call.end"
            assert seconds_between(moments, "call.queue", over) == waited
        if served:
            assert seconds_between(moments, "call.answer", "call.end") == int(row["ser_time"])
        assert list(moments.values()) == sorted(moments.values())


@real
def test_an_agent_is_in_call_only_during_its_calls(day: str) -> None:
    """Each agent has one LOGON, an IN_CALL at each answer, READY between calls, and one LOGOFF."""
    rows, events = real_rows(day), real_events(day)
    names = {row["server"] for row in rows if row["outcome"] == "AGENT"} - {"NO_SERVER"}
    open_calls = dict.fromkeys(names, 0)
    states: dict[str, list[str]] = {name: [] for name in names}
    by_call: dict[object, str] = {}
    for event in events:
        data = event.data
        if event.type == "agent.state":
            name, state = str(data["agent"]), str(data["eventType"])
            states[name].append(state)
            assert (open_calls[name] > 0) == (state == "IN_CALL") or state == "LOGON"
        elif event.type == "call.answer" and "agent" in data:
            by_call[data["sessionId"]] = str(data["agent"])
            open_calls[str(data["agent"])] += 1
        elif event.type == "call.end" and data["sessionId"] in by_call:
            open_calls[by_call[data["sessionId"]]] -= 1
    for name, found in states.items():
        assert found[0] == "LOGON"
        assert found[-1] == "LOGOFF"
        assert found.count("LOGON") == found.count("LOGOFF") == 1
        assert found.count("IN_CALL") == sum(row["server"] == name for row in rows)


def test_the_first_real_day_has_the_known_figures() -> None:
    """1999-08-01 has 2,357 calls, 2,237 offered, 1,511 handled, 726 abandoned, and known means."""
    rows, found = real_rows("1999-08-01"), event_times(real_events("1999-08-01"))
    handled = [call for call in found.values() if "call.answer" in call]
    abandoned = [c for c in found.values() if "call.queue" in c and "call.answer" not in c]
    assert len(rows) == len(found) == 2_357
    assert (len(handled) + len(abandoned), len(handled), len(abandoned)) == (2_237, 1_511, 726)
    waits = [seconds_between(c, "call.queue", "call.answer") for c in handled if "call.queue" in c]
    assert round(sum(waits) / len(handled), 2) == 134.85
    waits = [seconds_between(c, "call.queue", "call.end") for c in abandoned]
    assert round(sum(waits) / len(abandoned), 2) == 79.73


@real
def test_ids_are_unique_and_reproducible(day: str) -> None:
    """No two events share an id, and no two calls share a transaction.

    Reading the file again produces the same ids.
    """
    rows, events = real_rows(day), real_events(day)
    ids = [event.id for event in events]
    transactions = [event.data["transactionId"] for event in events if event.type == "call.start"]
    assert len(set(ids)) == len(ids)
    assert len(set(transactions)) == len(rows)
    assert [event.id for event in real_events(day)] == ids
