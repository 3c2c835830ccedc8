"""The call records of the anonymous bank (Technion, 1999): a CSV file with one record per call.

The records are real and have errors; these rules resolve them:

- PHANTOM records are not calls. Only AGENT calls are answered; a HANG is not, even with a served
  time. If ``server`` is NO_SERVER, the agent is unknown.
- The answer is at ``q_exit``, or at ``vru_exit`` for a call that never queued; ``ser_start`` is
  often off by a second or two, sometimes by a minute, and is not used. The end is the answer plus
  ``ser_time``. A caller hangs up at ``q_exit``, or at ``vru_exit``.
- The wait is ``q_time``, in whole seconds: the call joined the queue that long before the answer or
  the hang-up, regardless of ``q_start``.
- Clock times are of the record's date; a time that is more than half a day before its predecessor
  is after midnight. If ``vru_entry`` is a minute after ``vru_exit`` and ``vru_time`` is negative,
  the clock at entry was wrong, and the call starts at the latest possible time.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta

from floorcast.connectors.call_records import Call

__all__ = ["read"]

_CLOCK = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})")
_HALF_A_DAY = timedelta(hours=12)
_MOST_A_DATE = 99_999  # records: five digits of the transaction id


def read(lines: Iterable[str]) -> list[Call]:
    """The calls of a file with its heading, in the order of the file.

    Raises ValueError, with line and column, if a record does not match the file's own description.
    """
    rows: Counter[date] = Counter()
    calls = []
    reader = csv.DictReader(lines)
    for fields in reader:
        record = _Record(fields, reader.line_num)
        on = record.dated()
        rows[on] += 1
        if rows[on] > _MOST_A_DATE:
            raise record.wrong("date", f"at most {_MOST_A_DATE} records a date")
        outcome = record.text("outcome")
        if outcome not in {"AGENT", "HANG", "PHANTOM"}:
            raise record.wrong("outcome", "AGENT, HANG or PHANTOM")
        if outcome != "PHANTOM":
            calls.append(_call(record, on, rows[on], outcome))
    return calls


def _call(record: _Record, on: date, row: int, outcome: str) -> Call:
    entered = record.clock("vru_entry", datetime.combine(on, time()))
    left = record.clock("vru_exit", entered)
    waited = timedelta(seconds=record.seconds("q_time"))
    # served or abandoned, the wait ended here
    over = record.clock("q_exit", left) if waited else left
    served = timedelta(seconds=record.seconds("ser_time"))
    answered = outcome == "AGENT"
    server = record.text("server")
    return Call(
        dated=on,
        day=on,
        row=row,
        line=record.text("vru+line"),
        call_id=record.text("call_id"),
        service=record.text("type"),
        priority=record.number("priority"),
        outcome=outcome,
        agent=server if answered and server != "NO_SERVER" else None,
        ivr_seconds=max(0, record.number("vru_time")),
        started=min(entered, over - waited),
        queued=over - waited if waited else None,
        answered=over if answered else None,
        ended=over + served if answered else over,
    )


class _Record:
    """One record's columns, converted to their types."""

    def __init__(self, fields: Mapping[str, str | None], line: int) -> None:
        self._fields = fields
        self._line = line

    def wrong(self, column: str, expected: str) -> ValueError:
        value = self._fields.get(column)
        found = "missing" if value is None else repr(value)
        return ValueError(f"line {self._line}: {column} is {found}, expected {expected}")

    def text(self, column: str) -> str:
        value = self._fields.get(column)
        if not value:
            raise self.wrong(column, "a text")
        return value

    def number(self, column: str) -> int:
        try:
            return int(self.text(column))
        except ValueError:
            raise self.wrong(column, "a whole number") from None

    def seconds(self, column: str) -> int:
        value = self.number(column)
        if value < 0:
            raise self.wrong(column, "seconds, 0 or more")
        return value

    def dated(self) -> date:
        try:
            return date.fromisoformat(self.text("date"))
        except ValueError:
            raise self.wrong("date", "YYYY-MM-DD") from None

    def clock(self, column: str, after: datetime) -> datetime:
        parts = _CLOCK.fullmatch(self.text(column))
        if not parts:
            raise self.wrong(column, "h:mm:ss")
        hours, minutes, seconds = map(int, parts.groups())
        midnight = after.replace(hour=0, minute=0, second=0)
        moment = midnight + timedelta(hours=hours, minutes=minutes, seconds=seconds)
        return moment + timedelta(days=1) if after - moment > _HALF_A_DAY else moment
