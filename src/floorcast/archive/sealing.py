"""Seals a client's hours one at a time, in a worker process.

An hour is sealed ten minutes after its end. If later hours contain late events for the hour, it is
corrected once, 22 hours after its end, when the log still has it. Hours before the log's first
entry are sealed if later hours contain events for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import NamedTuple, Protocol

from floorcast.archive.backfill import backfilled_hours
from floorcast.archive.call_rows import Row, call_rows, event_rows
from floorcast.archive.coverage import late_until, uncovered, with_free_name
from floorcast.archive.hour_fold import EventsRemoved, FloorSource, HourFold, fold_hour
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
    ReplacedFiles,
    describe_file,
    encode_manifest,
    read_day,
)
from floorcast.archive.personal import treatment
from floorcast.archive.storage import Archive
from floorcast.archive.tables import WRITER, parquet_bytes
from floorcast.floor.days import Calendar
from floorcast.model.token import encode, end_of_entry, position, to_ms

__all__ = ["HourSealer", "SealSource"]

SETTLED_MS = 60_000  # wait after an hour's cut, because an entry may not be on the disk yet


class SealSource(FloorSource, Protocol):
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


class _DueHour(NamedTuple):
    """An hour to seal or correct, with the events recorded before ``cut`` (ms)."""

    hour: Hour
    revision: int
    cut: int


class HourSealer:
    """Seals a client's hours for one job."""

    def __init__(self, job: SealJob, archive: Archive, source: SealSource) -> None:
        self._job = job
        self._archive = archive
        self._source = source
        self._calendar = Calendar(job.time_zone)

    def seal_next(self) -> SealReport:
        """Seal or correct the oldest hour that is due. Returns the result."""
        job, calendar = self._job, self._calendar
        first = self._source.first_at()
        if first is None:
            return SealReport(next_due=job.now + SETTLED_MS)
        oldest = to_ms(first)
        # the log's time can be slightly ahead
        started = list(hours_between(job.client, oldest, max(job.now, oldest) + 1, calendar))
        sealed_hours = self._sealed_hours(started[0].day)
        missing = self._missing(sealed_hours, oldest)
        report = SealReport()
        removed: set[_DueHour] = set()
        for due in self._due(started, sealed_hours):
            try:
                manifest = self._seal_hour(due, sealed_hours.get(due.hour.name))
            except EventsRemoved:
                if due.revision == 1:
                    missing.append(due.hour)
                removed.add(due)
                continue
            sealed_hours[manifest.name] = manifest
            report.sealed, report.corrected = manifest.name, due.revision == 2
            report.rows = sum(file.rows for file in manifest.files.values())
            report.bytes = sum(file.bytes for file in manifest.files.values())
            break
        # the sealed hour can name backfilled hours, which are then due
        pending = set(self._due(started, sealed_hours)) - removed
        report.pending = len(pending)
        report.missing = [hour.name for hour in missing]
        unfinished = {due.hour.day for due in pending if due.revision == 1}
        self._finish_days(sealed_hours, set(report.missing), unfinished, oldest)
        report.next_due = min(
            (due_at for hour in started[-2:] if (due_at := hour.cut(1) + SETTLED_MS) > job.now),
            default=job.now + SETTLED_MS,
        )
        return report

    def _due(self, started: list[Hour], sealed_hours: dict[str, HourManifest]) -> list[_DueHour]:
        """Return the corrections that are due, and then the other hours, oldest first."""
        backfilled: dict[Hour, int] = {}
        if not self._source.removed:
            backfilled = backfilled_hours(
                self._job.client, sealed_hours.values(), started[0].start, self._calendar
            )
        first_cuts = {hour.start: cut for hour, cut in backfilled.items()}
        with_late = [manifest for manifest in sealed_hours.values() if manifest.late]
        found = []
        for manifest in sorted(sealed_hours.values(), key=lambda one: one.start):
            hour = self._hour_of(manifest)
            cut = manifest.cut
            first = [one for begun, one in backfilled.items() if begun.overlaps(hour)]
            if hour.end > started[0].start:
                first.append(hour.cut(1))
            if manifest.revision != 1 or cut not in first:
                continue  # with another cut, it was sealed from an earlier log, which had more
            # a backfilled hour can be sealed after the time of its correction
            if cut < min(late_until((hour.start, hour.end), with_late), hour.cut(2)):
                found.append(_DueHour(hour, 2, hour.cut(2)))
        for hour in uncovered([*backfilled, *started], _spans(sealed_hours)):
            cut = first_cuts.get(hour.start, hour.cut(1))
            found.append(_DueHour(with_free_name(hour, sealed_hours, self._calendar), 1, cut))
        return [due for due in found if self._is_due(due.cut)]

    def _hour_of(self, manifest: HourManifest) -> Hour:
        """Return a sealed hour. It keeps its name if the client's time zone has changed."""
        calendars = (self._calendar, Calendar(manifest.time_zone))
        kept = min(one.bounds(one.day_of(manifest.start) + 1)[1] for one in calendars)
        day = date.fromisoformat(manifest.date).toordinal()
        return Hour(manifest.client, day, manifest.hour, manifest.start, manifest.end, kept)

    def _is_due(self, cut: int) -> bool:
        """Return whether all events before a cut (ms) have been recorded."""
        return self._job.now >= cut + SETTLED_MS or to_ms(self._source.head_at) >= cut

    def _sealed_hours(self, first_day: int) -> dict[str, HourManifest]:
        """Return the sealed hours of the days that the log covers and of the day before."""
        client = self._job.client
        oldest = hours_of(client, first_day, self._calendar)[0].date
        dates = self._archive.dates(client)
        # with the client's former time zone, a date can be one day earlier
        previous = [date for date in dates if date < oldest][-2:]
        return {
            manifest.name: manifest
            for date in (*previous, *(date for date in dates if date >= oldest))
            for manifest in self._archive.hours(client, date)
        }

    def _missing(self, sealed_hours: dict[str, HourManifest], oldest: int) -> list[Hour]:
        """Return the hours between the last sealed hour and the beginning of the log."""
        ends = [manifest.end for manifest in sealed_hours.values()]
        if self._source.removed == 0:
            return []
        begin = max((end for end in ends if end <= oldest), default=None)
        day_start = self._calendar.bounds(self._calendar.day_of(oldest))[0]
        hours = hours_between(
            self._job.client, day_start if begin is None else begin, oldest, self._calendar
        )
        return [one for one in uncovered(hours, _spans(sealed_hours)) if one.end <= oldest]

    def _seal_hour(self, due: _DueHour, previous: HourManifest | None) -> HourManifest:
        hour = due.hour
        calendar = self._calendar if previous is None else Calendar(previous.time_zone)
        fold = fold_hour(self._source, hour, due.cut, self._job.limits, calendar=calendar)
        contents = dict(self._contents(fold))
        manifest = self._manifest(fold, due, contents, previous)
        for name, (content, _) in contents.items():
            if previous is None or previous.files[name].sha256 != manifest.files[name].sha256:
                self._archive.write(f"{hour.path}/{name}.parquet", content)
        self._archive.write(f"{hour.path}/{HOUR_MANIFEST}", encode_manifest(manifest))
        return manifest

    def _contents(self, fold: HourFold) -> Iterator[tuple[str, tuple[bytes, int]]]:
        job = self._job
        treat = treatment(job.personal, job.key)
        rows: list[tuple[str, Iterable[Row]]] = [
            ("events", event_rows(fold, treat, job.token_secret)),
            ("calls", call_rows(fold, treat)),
            ("agent_states", agent_state_rows(fold)),
            ("service_intervals", service_interval_rows(fold)),
            ("agent_intervals", agent_interval_rows(fold)),
        ]
        for name, rows_of_file in rows:
            yield name, parquet_bytes(name, rows_of_file)

    def _manifest(
        self,
        fold: HourFold,
        due: _DueHour,
        contents: dict[str, tuple[bytes, int]],
        previous: HourManifest | None,
    ) -> HourManifest:
        hour, secret = due.hour, self._job.token_secret
        files = {name: describe_file(*content) for name, content in contents.items()}
        first = last = None
        if fold.events:
            event, end = fold.events[0], fold.events[-1]
            first = encode(hour.client, event.recorded_at, position(fold.first, 0), secret)
            last = encode(hour.client, end.recorded_at, end_of_entry(fold.last), secret)
        replaces = None
        if previous is not None:
            old = {
                name: file.sha256
                for name, file in previous.files.items()
                if file.sha256 != files[name].sha256
            }
            replaces = ReplacedFiles(previous.revision, old)
        return HourManifest(
            client=hour.client,
            date=hour.date,
            hour=hour.number,
            start=hour.start,
            end=hour.end,
            time_zone=self._job.time_zone if previous is None else previous.time_zone,
            revision=due.revision,
            cut=due.cut,
            first_token=first,
            last_token=last,
            personal=self._job.personal,
            writer=WRITER,
            files=files,
            late=dict(sorted(fold.late.items())),
            replaces=replaces,
            erased=[] if previous is None else previous.erased,
        )

    def _finish_days(
        self,
        sealed_hours: dict[str, HourManifest],
        missing_names: set[str],
        unfinished: set[int],
        oldest: int,
    ) -> None:
        """Write the manifests of finished days that do not have one or lack backfilled hours."""
        starts = {manifest.start for manifest in sealed_hours.values()}
        for day in sorted({self._calendar.day_of(start) for start in starts} - unfinished):
            hours = hours_of(self._job.client, day, self._calendar)
            if self._is_due(hours[-1].cut(1)):
                lost = {hour.name for hour in hours if hour.end <= oldest}
                self._finish_day(hours, sealed_hours, missing_names | lost)

    def _finish_day(
        self, hours: list[Hour], sealed_hours: dict[str, HourManifest], missing_names: set[str]
    ) -> None:
        own = [one for one in sealed_hours.values() if one.date == hours[0].date]
        if not own:
            return  # after a change of the time zone, the hours can be in another date's folder
        sealed = sorted(one.hour for one in own)
        path = f"client={self._job.client}/date={hours[0].date}/{DAY_MANIFEST}"
        content = self._archive.read(path)
        if content is not None:
            recorded = read_day(content, path)
            if recorded.hours == sealed:
                return
            known_missing = {hour.name for hour in hours if hour.number in recorded.missing}
            missing_names = missing_names | known_missing
        first = min(one.start for one in sealed_hours.values())
        begins = self._source.removed == 0 and hours[0].start <= first
        missing = list(uncovered(hours, _spans(sealed_hours)))
        if begins:
            missing = [hour for hour in missing if hour.end > first]
        if any(hour.name not in missing_names for hour in missing):
            return  # some hours are not sealed yet
        manifest = DayManifest(
            client=self._job.client,
            date=hours[0].date,
            time_zone=self._job.time_zone,
            complete=not missing,
            hours=sealed,
            missing=[hour.number for hour in missing],
            other_zones=sorted({one.time_zone for one in own} - {self._job.time_zone}),
        )
        self._archive.write(path, encode_manifest(manifest))


def _spans(sealed_hours: dict[str, HourManifest]) -> list[tuple[int, int]]:
    return [(one.start, one.end) for one in sealed_hours.values()]
