"""Seals a client's hours one at a time, in a worker process.

An hour is sealed ten minutes after its end. If later hours contain late events for the hour, it is
corrected once, 22 hours after its end, when the log still has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from floorcast.archive.call_rows import Row, call_rows, event_rows
from floorcast.archive.hour_fold import FloorSource, Forgotten, HourFold, replay
from floorcast.archive.hours import Hour, hours_between, hours_of
from floorcast.archive.interval_rows import (
    agent_interval_rows,
    agent_state_rows,
    service_interval_rows,
)
from floorcast.archive.jobs import SealJob, SealReport
from floorcast.archive.manifests import (
    DAY_MANIFEST,
    HOUR_MANIFEST,
    DayManifest,
    HourManifest,
    Replaced,
    described,
    encode_manifest,
)
from floorcast.archive.personal import treatment
from floorcast.archive.storage import Archive
from floorcast.archive.tables import WRITER, parquet_bytes
from floorcast.floor.days import Calendar
from floorcast.model.token import encode, end_of_entry, position, to_ms

__all__ = ["Sealing", "Stored"]

DATE_LENGTH = len("2026-11-26")
SETTLED_MS = 60_000  # wait after an hour's cut, because an entry may not be on the disk yet


class Stored(FloorSource, Protocol):
    """A source that knows the extent of the client's log. See ``StoredFloor``."""

    @property
    def removed(self) -> int:
        """The number of the last entry that retention removed, or 0 if there is none."""
        ...

    @property
    def head_at(self) -> int:
        """The recording time of the newest entry, in ticks."""
        ...

    def first_at(self) -> int | None:
        """Return the recording time of the oldest stored entry, in ticks."""
        ...


class Sealing:
    """Seals a client's hours for one job."""

    def __init__(self, job: SealJob, archive: Archive, source: Stored) -> None:
        self._job = job
        self._archive = archive
        self._source = source
        self._calendar = Calendar(job.time_zone)

    def next(self) -> SealReport:
        """Seal or correct the oldest hour that is due. Returns the result."""
        job, calendar = self._job, self._calendar
        first = self._source.first_at()
        if first is None:
            return SealReport(next_due=job.now + SETTLED_MS)
        oldest = to_ms(first)
        # the log's time can be slightly ahead
        begun = list(hours_between(job.client, oldest, max(job.now, oldest) + 1, calendar))
        known = self._known(begun[0].day)
        missing = self._missing(known, oldest)
        due = [hour for hour in begun if hour.name not in known and self._is_due(hour, 1)]
        late = {name for manifest in known.values() for name in manifest.late}
        again = [
            hour
            for hour in begun
            if hour.name in late and hour.name in known
            if known[hour.name].revision == 1 and self._is_due(hour, 2)
        ]
        report = SealReport(pending=len(due) + len(again))
        for hour, revision in [(hour, 2) for hour in again] + [(hour, 1) for hour in due]:
            try:
                manifest = self._seal(hour, revision, known.get(hour.name))
            except Forgotten:
                if revision == 1:
                    missing.append(hour)
                report.pending -= 1
                continue
            known[hour.name] = manifest
            report.sealed, report.corrected = hour.name, revision == 2
            report.rows = sum(file.rows for file in manifest.files.values())
            report.bytes = sum(file.bytes for file in manifest.files.values())
            report.pending -= 1
            break
        report.missing = [hour.name for hour in missing]
        self._end_days(known, set(report.missing), oldest)
        report.next_due = min(
            (due_at for hour in begun[-2:] if (due_at := hour.cut(1) + SETTLED_MS) > job.now),
            default=job.now + SETTLED_MS,
        )
        return report

    def _is_due(self, hour: Hour, revision: int) -> bool:
        """Return whether all events that count for the hour have been recorded."""
        cut = hour.cut(revision)
        return self._job.now >= cut + SETTLED_MS or to_ms(self._source.head_at) >= cut

    def _known(self, first_day: int) -> dict[str, HourManifest]:
        """Return the sealed hours of the days that the log covers and of the day before."""
        client = self._job.client
        oldest = hours_of(client, first_day, self._calendar)[0].date
        dates = self._archive.dates(client)
        before = [date for date in dates if date < oldest][-1:]
        return {
            manifest.name: manifest
            for date in (*before, *(date for date in dates if date >= oldest))
            for manifest in self._archive.hours(client, date)
        }

    def _missing(self, known: dict[str, HourManifest], oldest: int) -> list[Hour]:
        """Return the hours between the last sealed hour and the beginning of the log."""
        ends = [manifest.end for manifest in known.values()]
        if self._source.removed == 0:
            return []
        begin = max((end for end in ends if end <= oldest), default=None)
        day_start = self._calendar.bounds(self._calendar.day_of(oldest))[0]
        hours = hours_between(
            self._job.client, day_start if begin is None else begin, oldest, self._calendar
        )
        return [hour for hour in hours if hour.name not in known and hour.end <= oldest]

    def _seal(self, hour: Hour, revision: int, before: HourManifest | None) -> HourManifest:
        done = replay(self._source, hour, hour.cut(revision), self._job.limits)
        contents = dict(self._contents(done))
        manifest = self._manifest(done, revision, contents, before)
        for name, (content, _) in contents.items():
            if before is None or before.files[name].sha256 != manifest.files[name].sha256:
                self._archive.write(f"{hour.path}/{name}.parquet", content)
        self._archive.write(f"{hour.path}/{HOUR_MANIFEST}", encode_manifest(manifest))
        return manifest

    def _contents(self, done: HourFold) -> Iterator[tuple[str, tuple[bytes, int]]]:
        job = self._job
        treat = treatment(job.personal, job.key)
        rows: list[tuple[str, Iterable[Row]]] = [
            ("events", event_rows(done, treat, job.token_secret)),
            ("calls", call_rows(done, treat)),
            ("agent_states", agent_state_rows(done)),
            ("service_intervals", service_interval_rows(done)),
            ("agent_intervals", agent_interval_rows(done)),
        ]
        for name, some in rows:
            yield name, parquet_bytes(name, some)

    def _manifest(
        self,
        done: HourFold,
        revision: int,
        contents: dict[str, tuple[bytes, int]],
        before: HourManifest | None,
    ) -> HourManifest:
        hour, secret = done.hour, self._job.token_secret
        files = {name: described(*content) for name, content in contents.items()}
        first = last = None
        if done.events:
            event, end = done.events[0], done.events[-1]
            first = encode(hour.client, event.recorded_at, position(done.first, 0), secret)
            last = encode(hour.client, end.recorded_at, end_of_entry(done.last), secret)
        replaces = None
        if before is not None:
            old = {
                name: file.sha256
                for name, file in before.files.items()
                if file.sha256 != files[name].sha256
            }
            replaces = Replaced(before.revision, old)
        return HourManifest(
            client=hour.client,
            date=hour.date,
            hour=hour.number,
            start=hour.start,
            end=hour.end,
            time_zone=self._job.time_zone,
            revision=revision,
            cut=hour.cut(revision),
            first_token=first,
            last_token=last,
            personal=self._job.personal,
            writer=WRITER,
            files=files,
            late=dict(sorted(done.late.items())),
            replaces=replaces,
            erased=[] if before is None else before.erased,
        )

    def _end_days(self, known: dict[str, HourManifest], gone: set[str], oldest: int) -> None:
        """Write the manifests of finished days that do not have one."""
        starts = {manifest.start for manifest in known.values()}
        for day in sorted({self._calendar.day_of(start) for start in starts}):
            hours = hours_of(self._job.client, day, self._calendar)
            path = f"client={self._job.client}/date={hours[0].date}/{DAY_MANIFEST}"
            if self._is_due(hours[-1], 1) and self._archive.read(path) is None:
                self._end_day(path, hours, known, gone | {h.name for h in hours if h.end <= oldest})

    def _end_day(
        self, path: str, hours: list[Hour], known: dict[str, HourManifest], gone: set[str]
    ) -> None:
        sealed = [hour.number for hour in hours if hour.name in known]
        begins = self._source.removed == 0 and hours[0].date == min(known)[:DATE_LENGTH]
        expected = hours[sealed[0] :] if begins else hours
        missing = [hour for hour in expected if hour.name not in known]
        if any(hour.name not in gone for hour in missing):
            return  # some hours are not sealed yet
        manifest = DayManifest(
            client=self._job.client,
            date=hours[0].date,
            time_zone=self._job.time_zone,
            complete=not missing,
            hours=sealed,
            missing=[hour.number for hour in missing],
        )
        self._archive.write(path, encode_manifest(manifest))
