"""Tests of ``floorcast replay``: its pace, batches and totals, and the whole command."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import pytest
import time_machine
from typer.testing import CliRunner, Result

from floorcast.cli.app import app
from floorcast.cli.replay import Totals, replay
from floorcast.client import CloudEvent, Rejected, Verdicts
from floorcast.connectors import anonymous_bank, call_records
from floorcast.model.errors import Refusal
from floorcast.model.token import TICKS_PER_SECOND
from tests.client.intake import DROP, TAKE, Answer, Intake, running
from tests.connectors.freeswitch.dialogues import EPOCH, Caller
from tests.connectors.freeswitch.fake_esl import encoded

HERE = Path(__file__).resolve()
GOLDEN = HERE.parents[1] / "golden" / "anonymous_bank" / "day.csv"
REAL = HERE.parents[3] / "shared" / "data" / "anonymous-bank" / "1999-08-01.csv"
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
BUSY = Answer(HTTPStatus.SERVICE_UNAVAILABLE, {"code": 101, "message": "too busy"})
GOLDEN_EVENTS = 49


class FakeClock:
    """A clock that advances only when the code sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def now(self) -> int:
        return round(self.seconds * TICKS_PER_SECOND)

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.seconds += seconds


class RecordedProgress:
    """Records the displayed progress."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.why: list[str] = []
        self.back_after: list[float] = []

    def update(self, done: int, _state: str = "") -> None:
        self.sent.append(done)

    def report_wait(self, seconds: float, why: str) -> None:
        self.why.append(why)

    def report_recovery(self, seconds: float) -> None:
        self.back_after.append(seconds)


def events_at(*seconds: float) -> list[CloudEvent]:
    return [
        CloudEvent(
            id=str(number),
            source="s",
            type="call.end",
            time=NOON + timedelta(seconds=second),
            data={},
        )
        for number, second in enumerate(seconds)
    ]


def ids(intake: Intake) -> list[list[str]]:
    """Return the event ids of each request."""
    return [
        [json.loads(line)["id"] for line in request.body.splitlines()]
        for request in intake.requests
    ]


def command(intake: Intake, *more: str, file: Path = GOLDEN) -> Result:
    """Run the command. A later ``--format`` replaces the first one."""
    options = ["--key", "k", "--url", intake.url, "--format", "anonymous-bank", *more]
    return CliRunner().invoke(app, ["replay", str(file), *options])


def test_full_speed_sends_batches_of_a_thousand() -> None:
    """Events are sent in order in batches of up to 1,000, without pauses, whatever their times."""
    clock, progress = FakeClock(), RecordedProgress()
    with running() as intake:
        events = events_at(*range(2_500))
        totals = replay(
            events, intake.url, "k", clock=clock.now, sleep=clock.sleep, progress=progress
        )
    assert [len(batch) for batch in ids(intake)] == [1_000, 1_000, 500]
    assert list(intake.received) == [event.id for event in events]
    assert (totals.sent, totals.accepted) == (2_500, 2_500)
    assert progress.sent == [1_000, 2_000, 2_500]
    assert clock.slept == []


def test_double_speed_halves_the_gaps_between_events() -> None:
    """The first event is sent at once, and pauses are half as long as the gaps between events."""
    clock = FakeClock()
    with running() as intake:
        events = events_at(0, 0, 10, 11, 11)
        replay(events, intake.url, "k", speed=2.0, clock=clock.now, sleep=clock.sleep)
    assert ids(intake) == [["0", "1"], ["2"], ["3", "4"]]
    assert clock.slept == [5.0, 0.5]


def test_high_speed_batches_events() -> None:
    """Pauses are long enough that events are sent in batches."""
    clock = FakeClock()
    with running() as intake:
        events = events_at(*range(100))
        replay(events, intake.url, "k", speed=1_000.0, clock=clock.now, sleep=clock.sleep)
    assert [len(batch) for batch in ids(intake)] == [1, 20, 20, 20, 20, 19]
    assert set(clock.slept) == {0.02}


def test_overdue_events_are_sent_together() -> None:
    """The pace follows the clock, so overdue events are sent together."""
    clock = FakeClock()
    with running(BUSY.with_headers({"Retry-After": "30"})) as intake:
        events = events_at(0, 10, 20, 40)
        replay(
            events,
            intake.url,
            "k",
            speed=1.0,
            clock=clock.now,
            sleep=clock.sleep,
            chance=lambda: 1.0,
        )
    assert ids(intake) == [["0"], ["0"], ["1", "2"], ["3"]]
    assert clock.slept == [30.25, 9.75]


def test_events_arrive_once_despite_server_failures() -> None:
    """With lost responses, refusals and 503s, no event is lost, repeated or reordered."""
    clock, progress = FakeClock(), RecordedProgress()
    events = events_at(*range(5_000))
    with running(DROP, TAKE, BUSY, TAKE, DROP, BUSY) as intake:

        def sleep(seconds: float) -> None:
            clock.sleep(seconds)
            if len(clock.slept) == 3:
                intake.stop()
            if len(clock.slept) == 5:
                intake.start()

        totals = replay(events, intake.url, "k", clock=clock.now, sleep=sleep, progress=progress)
    assert list(intake.received) == [event.id for event in events]
    assert (totals.sent, totals.accepted, totals.duplicates) == (5_000, 3_000, 2_000)
    assert len(progress.why) == len(clock.slept) == 6
    assert sum(progress.back_after) == pytest.approx(sum(clock.slept), abs=0.01)


def test_empty_input_sends_no_request() -> None:
    """An empty list ends at once with empty totals."""
    with running() as intake:
        assert replay([], intake.url, "k") == Totals()
    assert intake.requests == []


def test_wrong_key_stops_the_replay() -> None:
    """The caller gets the server's message."""
    refused = Answer(HTTPStatus.UNAUTHORIZED, {"code": 300, "message": "unknown ingest key"})
    with running(refused) as intake, pytest.raises(Refusal, match="unknown ingest key"):
        replay(events_at(0), intake.url, "k")


def test_refusals_are_counted_by_reason() -> None:
    """Each reason is one entry, with its count and the first event."""
    totals = Totals()
    future = [Rejected(0, 202, "time: in the future", "a"), Rejected(1, 202, "time: in the future")]
    totals.add(events_at(0, 1, 2), Verdicts(1, 0, future))
    totals.add(events_at(0), Verdicts(0, 0, [Rejected(0, 202, "type: unknown")]))
    assert str(totals) == "sent 4  accepted 1  duplicates 0  rejected 3"
    assert {why: (r.count, r.first) for why, r in totals.reasons.items()} == {
        "202 time: in the future": (2, "a"),
        "202 type: unknown": (1, "number 0 of its batch"),
    }


def test_command_prints_totals_at_the_end() -> None:
    """A first run is accepted, and a second one has only duplicates. Both exit with 0."""
    with running() as intake:
        first, second = command(intake), command(intake)
    assert (first.exit_code, second.exit_code) == (0, 0)
    last = first.stdout.splitlines()[-1]
    assert last == f"sent {GOLDEN_EVENTS}  accepted {GOLDEN_EVENTS}  duplicates 0  rejected 0"
    again = second.stdout.splitlines()[-1]
    assert again == f"sent {GOLDEN_EVENTS}  accepted 0  duplicates {GOLDEN_EVENTS}  rejected 0"


def test_command_moves_events_to_the_given_day() -> None:
    """``--day`` and ``--time-zone`` determine the times. ``--client`` is part of the source."""
    onto = ["--day", "2025-07-01", "--time-zone", "Asia/Jerusalem", "--client", "47415"]
    with running() as intake:
        command(intake, *onto)
    first = next(iter(intake.received.values()))
    assert first["time"] == "2025-06-30T21:10:10Z"
    assert first["source"] == "anonymous-bank/47415/1999-08-05"


def test_a_recording_that_has_not_begun_is_refused() -> None:
    """The server would refuse each of its events. The one in Kiribati has begun."""
    with running() as intake, time_machine.travel("2025-07-01T00:00:00Z", tick=False):
        refused = command(intake, "--day", "2025-07-01")
        assert refused.exit_code == 2
        said = " ".join(refused.stderr.replace("│", " ").split())
        assert "first event would be at 2025-07-01 00:10 UTC, which is in the future" in said
        assert intake.requests == []
        begun = command(intake, "--day", "2025-07-01", "--time-zone", "Pacific/Kiritimati")
        assert begun.exit_code == 0, begun.output


def test_last_event_is_now_by_default() -> None:
    """No event is in the future, and the last one is seconds old."""
    with running() as intake:
        command(intake)
    last = datetime.fromisoformat(str(list(intake.received.values())[-1]["time"]))
    assert timedelta(0) <= datetime.now(UTC) - last < timedelta(minutes=1)


def test_key_and_address_can_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key and the address can come from the environment, which other users cannot read."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLOORCAST_KEY", "hidden")
    with running() as intake:
        tmp_path.joinpath("floorcast.toml").write_text('url = "http://192.0.2.66"', "utf-8")
        monkeypatch.setenv("FLOORCAST_URL", intake.url)
        result = CliRunner().invoke(app, ["replay", str(GOLDEN), "--format", "anonymous-bank"])
    assert result.exit_code == 0, result.output
    assert intake.requests[0].headers["authorization"] == "Bearer hidden"


def test_refused_events_are_reported_and_fail_the_command() -> None:
    """Each reason has its count and its first event, followed by the totals. The exit code is 1."""
    verdicts = {
        "accepted": GOLDEN_EVENTS - 1,
        "duplicates": 0,
        "rejected": [{"index": 0, "id": "a", "code": 202, "message": "time: in the future"}],
    }
    with running(Answer(HTTPStatus.OK, verdicts)) as intake:
        result = command(intake)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-2:] == [
        "rejected 1: 202 time: in the future (first: a)",
        f"sent {GOLDEN_EVENTS}  accepted {GOLDEN_EVENTS - 1}  duplicates 0  rejected 1",
    ]


def test_only_the_most_frequent_reasons_are_printed() -> None:
    """The most frequent reasons are printed, and the rest are counted."""
    rejected = [{"index": n, "code": 202, "message": f"bad {n}"} for n in range(GOLDEN_EVENTS)]
    answer = Answer(HTTPStatus.OK, {"accepted": 0, "duplicates": 0, "rejected": rejected})
    with running(answer) as intake:
        lines = command(intake).stdout.splitlines()
    assert lines[-2] == f"rejected for {GOLDEN_EVENTS - 20} more reasons"
    assert sum(line.startswith("rejected 1: ") for line in lines) == 20


def test_freeswitch_recording_is_replayed(tmp_path: Path) -> None:
    """Calls move to the chosen day. Unreadable parts are counted."""
    one = Caller("u")
    events = [*one.joins(EPOCH), *one.leaves(EPOCH + 20), *one.hangs_up(EPOCH + 20.1)]
    record = tmp_path / "record"
    record.write_bytes(b"nonsense\n\n" + b"".join(encoded(event) for event in events))
    chosen = ["--format", "freeswitch-esl", "--day", "2025-03-04"]
    with running() as intake:
        results = [command(intake, *chosen, file=record) for _ in range(2)]
    assert [result.exit_code for result in results] == [0, 0]
    assert "unreadable lines or frames, skipped: 1" in results[0].stderr
    assert "duplicates 3" in results[1].stdout
    assert [one["type"] for one in intake.received.values()] == [
        "call.start",
        "call.queue",
        "call.end",
    ]
    for event in intake.received.values():
        assert event["time"].startswith("2025-03-04T")
        assert event["data"]["sessionId"] == "u@freeswitch-esl/2025-03-04"


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--speed", "fast", "must be max or a number above 0"),
        ("--speed", "0", "must be max or a number above 0"),
        ("--speed", "-1", "must be max or a number above 0"),
        ("--speed", "nan", "must be max or a number above 0"),
        ("--time-zone", "Mars/Olympus", "must be an IANA time zone"),
        ("--time-zone", "../etc", "must be an IANA time zone"),
        ("--day", "1.8.1999", "1.8.1999"),
        ("--day", "9999-12-31", "must be from 1970-01-02 to today"),
        ("--day", "0001-01-01", "must be from 1970-01-02 to today"),
        ("--format", "xml", "xml"),
    ],
)
def test_wrong_option_is_reported_before_sending(option: str, value: str, message: str) -> None:
    """The exit code is 2, and the error names the option and the problem."""
    with running() as intake:
        result = command(intake, option, value)
    assert result.exit_code == 2
    assert option in result.stderr
    assert message in result.stderr
    assert intake.requests == []


@pytest.mark.parametrize("form", ["asterisk-ami", "asterisk-queue-log", "freeswitch-esl"])
def test_a_file_of_another_format_is_an_error(form: str) -> None:
    """Sending no event is not a success."""
    with running() as intake:
        result = command(intake, "--format", form)
    assert result.exit_code == 2
    assert f"nothing in this file looks like {form}" in " ".join(result.stderr.split())
    assert intake.requests == []


def test_the_format_is_required() -> None:
    """No format is more likely than the others."""
    result = CliRunner().invoke(app, ["replay", str(GOLDEN), "--key", "k"])
    assert result.exit_code == 2
    assert "--format" in result.stderr


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    """An invalid record is reported with its file and line, and so is text in another encoding."""
    broken = tmp_path / "broken.csv"
    broken.write_text(GOLDEN.read_text("utf-8").replace("10:00:35", "late"), "utf-8")
    latin = tmp_path / "latin.csv"
    latin.write_bytes(b"vru+line\r\n\xe9\r\n")
    with running() as intake:
        results = [command(intake, file=file) for file in (broken, latin)]
    assert [result.exit_code for result in results] == [2, 2]
    assert "broken.csv: line 4: q_exit is 'late', expected h:mm:ss" in results[0].stderr
    assert "latin.csv: line 2 is not UTF-8" in results[1].stderr
    assert intake.requests == []


def test_real_day_arrives_complete_despite_server_failures() -> None:
    """At full speed, with lost responses and 503s, the bank's day arrives once and in order."""
    if not REAL.exists():
        pytest.skip("the bank's real days are not here: 1999-08-01.csv in ../shared/data")
    with REAL.open(encoding="utf-8", newline="") as lines:
        calls = anonymous_bank.read(lines)
    events = call_records.events(calls, call_records.shift_to_end_at(calls, NOON), "anonymous-bank")
    clock = FakeClock()
    with running(*[TAKE, DROP, BUSY] * 5) as intake:
        totals = replay(events, intake.url, "k", clock=clock.now, sleep=clock.sleep)
    assert list(intake.received) == [event.id for event in events]
    assert totals.sent == totals.accepted + totals.duplicates == len(events)
    begun = sum(event["type"] == "call.start" for event in intake.received.values())
    assert begun == 2_357
