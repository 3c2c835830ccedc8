"""``floorcast replay``: sends recorded calls to a server as if they were happening now."""

from __future__ import annotations

import math
import random
import sys
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import typer

from floorcast.cli.options import KEY_HELP
from floorcast.cli.progress_bar import NoProgress, ProgressDisplay, show_progress
from floorcast.model.text import read_text
from floorcast.model.token import TICKS_PER_SECOND, Now, monotonic_now

if TYPE_CHECKING:
    from floorcast.client import CloudEvent, Verdicts
    from floorcast.connectors.pbx.converted_recording import ConvertedRecording

__all__ = [
    "MAX_SPEED",
    "MAX_WAIT_SECONDS",
    "RejectionReason",
    "Totals",
    "parse_speed",
    "print_totals",
    "register",
    "replay",
]

MAX_SPEED = math.inf  # as fast as the server accepts the events
MAX_WAIT_SECONDS = 3600.0  # the longest wait for the server before a batch fails
MIN_SLEEP_SECONDS = 0.02  # seconds; at high speeds, this gathers events into batches
FIRST_DAY = date(1970, 1, 2)  # everywhere on Earth, no time on this day is before 1970 in UTC
MAX_REASONS = 20  # the most reasons that are printed at the end


class RejectionReason(msgspec.Struct):
    """The number of events that were rejected for one reason, and the id of the first."""

    count: int
    first: str


class Totals(msgspec.Struct):
    """The results of sending events. ``reasons`` has the rejections by code and message."""

    sent: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    reasons: dict[str, RejectionReason] = {}

    def add(self, events: Sequence[CloudEvent], verdicts: Verdicts) -> None:
        """Count one batch."""
        self.sent += len(events)
        self.accepted += verdicts.accepted
        self.duplicates += verdicts.duplicates
        self.rejected += len(verdicts.rejected)
        for rejected in verdicts.rejected:
            why = f"{rejected.code} {rejected.message}"
            first = rejected.id or f"number {rejected.index} of its batch"
            self.reasons.setdefault(why, RejectionReason(0, first)).count += 1

    def __str__(self) -> str:
        return (
            f"sent {self.sent}  accepted {self.accepted}  "
            f"duplicates {self.duplicates}  rejected {self.rejected}"
        )


def replay(
    events: Sequence[CloudEvent],
    url: str,
    key: str,
    *,
    speed: float = MAX_SPEED,
    clock: Now = monotonic_now,
    sleep: Callable[[float], None] = time.sleep,
    chance: Callable[[], float] = random.random,
    progress: ProgressDisplay | None = None,
) -> Totals:
    """Send events, ordered by time, to the server at ``url`` at ``speed`` times real time.

    The first event is sent immediately, and every other event when it is due. Waits while the
    server is unavailable or busy. Raises Refusal if the server permanently rejects a batch, and
    Unavailable if it is unavailable for an hour.
    """
    from floorcast.client import Sender, Timing

    progress = progress or NoProgress()
    totals = Totals()
    timing = Timing(
        patience=MAX_WAIT_SECONDS,
        waiting=progress.report_wait,
        back=progress.report_recovery,
        chance=chance,
    )
    with Sender(url, key, timing=timing, sleep=sleep) as sender:
        for batch in _due_batches(events, speed, clock, sleep):
            totals.add(batch, sender.send(batch))
            progress.update(totals.sent)
    return totals


def _due_batches(
    events: Sequence[CloudEvent], speed: float, clock: Now, sleep: Callable[[float], None]
) -> Iterator[Sequence[CloudEvent]]:
    from floorcast.client.sender_protocol import MAX_BATCH_EVENTS

    began, at = clock(), 0

    def since_first(event: CloudEvent) -> float:
        return (event.time - events[0].time).total_seconds()

    while at < len(events):
        upto = min(at + MAX_BATCH_EVENTS, len(events))
        if speed < MAX_SPEED:
            reached = (clock() - began) / TICKS_PER_SECOND * speed
            upto = bisect_right(events, reached, at, upto, key=since_first)
            if upto == at:
                sleep(max((since_first(events[at]) - reached) / speed, MIN_SLEEP_SECONDS))
                continue
        yield events[at:upto]
        at = upto


class Format(StrEnum):
    """The formats of files that can be replayed."""

    ANONYMOUS_BANK = "anonymous-bank"
    ASTERISK_QUEUE_LOG = "asterisk-queue-log"
    ASTERISK_AMI = "asterisk-ami"
    FREESWITCH_ESL = "freeswitch-esl"


def parse_speed(text: str) -> float:
    """Return the value of ``--speed``. Raises BadParameter."""
    try:
        speed = MAX_SPEED if text == "max" else float(text)
    except ValueError:
        speed = 0.0
    if speed > 0:
        return speed
    raise typer.BadParameter(f"must be max or a number above 0, not {text!r}", param_hint="--speed")


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise typer.BadParameter(
            f"must be an IANA time zone such as America/New_York, not {text!r}",
            param_hint="--time-zone",
        ) from None


def _past_day(day: date, zone: ZoneInfo) -> date:
    today = datetime.now(zone).date()
    if FIRST_DAY <= day <= today:
        return day
    raise typer.BadParameter(
        f"must be from {FIRST_DAY} to today ({today} in {zone}), not {day}", param_hint="--day"
    )


def _check_begun(first: datetime) -> None:
    """Refuse a recording without an event that the server would accept now."""
    from floorcast.ingest.decode import MAX_CLOCK_AHEAD_MS

    if first > datetime.now(UTC) + timedelta(milliseconds=MAX_CLOCK_AHEAD_MS):
        raise typer.BadParameter(
            f"the first event would be at {first:%Y-%m-%d %H:%M} UTC, which is in the future:"
            " choose an earlier day, or none for now",
            param_hint="--day",
        )


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("replay")(_replay)


def _replay(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="The recording.")
    ],
    key: Annotated[str, typer.Option(metavar="KEY", help=KEY_HELP)],
    format: Annotated[  # noqa: A002 — also the option's name in the environment and the file
        Format, typer.Option(help="The format of the file.")
    ],
    url: Annotated[str, typer.Option(metavar="URL", help="The server.")] = "http://127.0.0.1:8080",
    client: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|ID",
            help="A name to add to the source of the events, so that recordings of several clients "
            "keep their own ids. The key, not this option, determines the client.",
        ),
    ] = None,
    day: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
            help="Move the first event to this day, at the same time of day. Default: move the "
            "last event to the current time.",
        ),
    ] = None,
    time_zone: Annotated[str, typer.Option(metavar="ZONE", help="The time zone of --day.")] = "UTC",
    speed: Annotated[
        str,
        typer.Option(
            metavar="N|max",
            help="A multiple of real time, or max for as fast as the server accepts events.",
        ),
    ] = "max",
) -> None:
    """Send a recording to a server as events.

    Prints how many events were sent, accepted, recognized as duplicates and rejected, and exits
    with 1 if any were rejected. Sending the same file again with the same options changes nothing:
    the server recognizes events by their ids, which depend on the file and --day, not on the clock.
    """
    pace, zone = parse_speed(speed), _zone(time_zone)
    source = format if client is None else f"{format}/{client}"
    wanted = _past_day(day.date(), zone) if day else None
    try:
        events = _READERS[format](file, source, wanted, zone)
    except ValueError as error:
        raise typer.BadParameter(f"{file}: {error}", param_hint="FILE") from None
    if not events:
        raise typer.BadParameter(f"{file}: nothing in this file looks like {format}")
    _check_begun(events[0].time)
    with show_progress(len(events)) as progress:
        totals = replay(events, url, key, speed=pace, progress=progress)
    print_totals(totals)
    if totals.rejected:
        raise typer.Exit(1)


def _bank(file: Path, source: str, day: date | None, zone: ZoneInfo) -> list[CloudEvent]:
    from floorcast.connectors import anonymous_bank, call_records

    calls = anonymous_bank.read(StringIO(read_text(file), newline=""))
    if day:
        shift = call_records.shift_to_day(calls, day, zone)
    else:
        shift = call_records.shift_to_end_at(calls, datetime.now(UTC))
    return call_records.events(calls, shift, source)


def _queue_log(file: Path, source: str, day: date | None, zone: ZoneInfo) -> list[CloudEvent]:
    from floorcast.connectors.asterisk.recording_reader import read_queue_log

    with file.open(encoding="utf-8", errors="replace") as lines:
        return _shift_to_day(read_queue_log(lines, _day_source(source, day), _latest()), day, zone)


def _ami(file: Path, source: str, day: date | None, zone: ZoneInfo) -> list[CloudEvent]:
    from floorcast.connectors.asterisk.recording_reader import read_ami

    with file.open("rb") as data:
        return _shift_to_day(read_ami(data.read, _day_source(source, day), _latest()), day, zone)


def _esl(file: Path, source: str, day: date | None, zone: ZoneInfo) -> list[CloudEvent]:
    from floorcast.connectors.freeswitch.recording_reader import read_esl

    with file.open("rb") as data:
        return _shift_to_day(
            read_esl(data.read, _day_source(source, day), day, _latest()), day, zone
        )


def _day_source(source: str, day: date | None) -> str:
    """Return the source for a day, so that the events and calls of each day have their own ids."""
    return f"{source}/{day}" if day else source


def _latest() -> float:
    """Return the latest time that a recording can have, in epoch seconds."""
    from floorcast.connectors.pbx.source_clock import IMPOSSIBLY_AHEAD_SECONDS

    return time.time() + IMPOSSIBLY_AHEAD_SECONDS


def _shift_to_day(
    recorded: ConvertedRecording, day: date | None, zone: ZoneInfo
) -> list[CloudEvent]:
    from floorcast.connectors.pbx.converted_recording import shift_events

    if recorded.unreadable:
        print(
            f"floorcast: unreadable lines or frames, skipped: {recorded.unreadable:,}",
            file=sys.stderr,
        )
    if recorded.ahead:
        print(
            "floorcast: lines or frames with a time that is a mistake (more than a day ahead),"
            f" skipped: {recorded.ahead:,}",
            file=sys.stderr,
        )
    return shift_events(recorded.events, day, zone, datetime.now(UTC))


_READERS = {
    Format.ANONYMOUS_BANK: _bank,
    Format.ASTERISK_QUEUE_LOG: _queue_log,
    Format.ASTERISK_AMI: _ami,
    Format.FREESWITCH_ESL: _esl,
}


def print_totals(totals: Totals) -> None:
    """Print the results of sending events, and the reasons for rejections."""
    ranked = sorted(totals.reasons.items(), key=lambda item: -item[1].count)
    for why, reason in ranked[:MAX_REASONS]:
        print(f"rejected {reason.count}: {why} (first: {reason.first})")
    if len(ranked) > MAX_REASONS:
        print(f"rejected for {len(ranked) - MAX_REASONS} more reasons")
    print(totals)
