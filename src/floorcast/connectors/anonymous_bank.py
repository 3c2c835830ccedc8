"""Reads the anonymous bank's call records (Technion, 1999) from a CSV file.

The records are real data and contain errors. The following rules resolve them:

- A PHANTOM record is not a call. Only AGENT calls are answered. A HANG is unanswered even if it has
  a service time. If ``server`` is NO_SERVER, the agent is unknown.
- A call is answered at ``q_exit``, or at ``vru_exit`` if it never queued. ``ser_start`` is not
  used, because it is often wrong by a second or two and sometimes by a minute. An answered call
  ends ``ser_time`` after the answer. In an unanswered call, the caller hangs up at ``q_exit``, or
  at ``vru_exit`` if the call never queued.
- The wait is ``q_time``, in whole seconds. The call joins the queue that many seconds before the
  answer or hang-up. ``q_start`` is not used.
- Clock times belong to the record's date. A time more than half a day before the previous time
  belongs to the next day. If ``vru_entry`` is a minute after ``vru_exit`` and ``vru_time`` is
  negative, the clock was wrong at entry, and the call starts at the latest possible time.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta

from floorcast.connectors.call_records import RecordedCall

__all__ = ["read"]

_CLOCK = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})")
_HALF_DAY = timedelta(hours=12)
_MAX_RECORDS_PER_DATE = 99_999  # a transaction id has five digits for the record's number


def read(lines: Iterable[str]) -> list[RecordedCall]:
    """Return the calls in a CSV file that begins with a header row, in the order of the file.

    Raises ValueError, with the line and column, if a record does not match the file's
    documentation.
    """
    rows: Counter[date] = Counter()
    calls = []
    reader = csv.DictReader(lines)
    for fields in reader:
        record = _Record(fields, reader.line_num)
        record_date = record.record_date()
        rows[record_date] += 1
        if rows[record_date] > _MAX_RECORDS_PER_DATE:
            raise record.error("date", f"at most {_MAX_RECORDS_PER_DATE} records per date")
        outcome = record.text("outcome")
        if outcome not in {"AGENT", "HANG", "PHANTOM"}:
            raise record.error("outcome", "AGENT, HANG or PHANTOM")
        if outcome != "PHANTOM":
            calls.append(_call(record, record_date, rows[record_date], outcome))
    return calls


def _call(record: _Record, record_date: date, row: int, outcome: str) -> RecordedCall:
    vru_entered = record.clock_time("vru_entry", datetime.combine(record_date, time()))
    vru_left = record.clock_time("vru_exit", vru_entered)
    wait = timedelta(seconds=record.seconds("q_time"))
    # the wait ends here, whether the call was answered or abandoned
    wait_end = record.clock_time("q_exit", vru_left) if wait else vru_left
    talk_time = timedelta(seconds=record.seconds("ser_time"))
    answered = outcome == "AGENT"
    server = record.text("server")
    return RecordedCall(
        record_date=record_date,
        day=record_date,
        row=row,
        line=record.text("vru+line"),
        call_id=record.text("call_id"),
        service=record.text("type"),
        priority=record.number("priority"),
        outcome=outcome,
        agent=server if answered and server != "NO_SERVER" else None,
        ivr_seconds=max(0, record.number("vru_time")),
        started=min(vru_entered, wait_end - wait),
        queued=wait_end - wait if wait else None,
        answered=wait_end if answered else None,
        ended=wait_end + talk_time if answered else wait_end,
    )


class _Record:
    """Converts one record's columns to their types."""

    def __init__(self, fields: Mapping[str, str | None], line: int) -> None:
        self._fields = fields
        self._line = line

    def error(self, column: str, expected: str) -> ValueError:
        value = self._fields.get(column)
        found = "missing" if value is None else repr(value)
        return ValueError(f"line {self._line}: {column} is {found}, expected {expected}")

    def text(self, column: str) -> str:
        value = self._fields.get(column)
        if not value:
            raise self.error(column, "text")
        return value

    def number(self, column: str) -> int:
        try:
            return int(self.text(column))
        except ValueError:
            raise self.error(column, "a whole number") from None

    def seconds(self, column: str) -> int:
        value = self.number(column)
        if value < 0:
            raise self.error(column, "seconds, 0 or more")
        return value

    def record_date(self) -> date:
        try:
            return date.fromisoformat(self.text("date"))
        except ValueError:
            raise self.error("date", "YYYY-MM-DD") from None

    def clock_time(self, column: str, after: datetime) -> datetime:
        parts = _CLOCK.fullmatch(self.text(column))
        if not parts:
            raise self.error(column, "h:mm:ss")
        hours, minutes, seconds = map(int, parts.groups())
        midnight = after.replace(hour=0, minute=0, second=0)
        moment = midnight + timedelta(hours=hours, minutes=minutes, seconds=seconds)
        return moment + timedelta(days=1) if after - moment > _HALF_DAY else moment
