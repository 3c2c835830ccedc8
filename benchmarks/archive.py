"""Measures the archive's costs: sealing an hour, and a report on a month by day.

    python -m benchmarks.archive [--events 41667] [--agents 10000] [--services 500] [--days 31]

The benchmark folds and writes a busy client's hour as the sealing worker does. It then writes the
hours of a month to a temporary folder and reports on them by day. Both run in this process.
"""

from __future__ import annotations

import argparse
import gc
import random
import tempfile
import time
from collections.abc import Collection, Iterator
from datetime import UTC, datetime

import msgspec

from floorcast.archive.hours import HOUR_MS, hours_between, hours_of
from floorcast.archive.jobs import ClientSpan, ReportJob, SealJob
from floorcast.archive.manifests import HOUR_MANIFEST, HourManifest, describe_file, encode_manifest
from floorcast.archive.reports import service_report
from floorcast.archive.schemas import COUNTERS
from floorcast.archive.sealing import HourSealer
from floorcast.archive.storage import Archive, open_archive
from floorcast.archive.tables import WRITER, parquet_bytes
from floorcast.floor.calls import Key
from floorcast.floor.days import Calendar
from floorcast.floor.state import FloorState
from floorcast.log.port import Entry
from floorcast.model.token import TICKS_PER_MS
from floorcast.projection.refold import FoldLimits
from floorcast.site.configuration import Agent, FloorConfig, Service

CLIENT = 1
ZONE = "America/New_York"
START = int(datetime(2026, 11, 24, 15, tzinfo=UTC).timestamp()) * 1000
LIMITS = FoldLimits(4 * HOUR_MS, 16 * HOUR_MS, HOUR_MS // 4)
PER_ENTRY = 50  # events
MONTH_SERVICES = 100


class Hour:
    """One hour's log in memory, in the form that the archive reads."""

    client = CLIENT
    removed = 0

    def __init__(self, events: int, agents: int, services: int) -> None:
        self.stored: list[Entry] = []
        config = FloorConfig(
            time_zone=ZONE,
            services=tuple(Service(id=n + 1, name=f"Service {n}") for n in range(services)),
            agents=tuple(Agent(id=n + 1, login=f"AGENT{n}") for n in range(agents)),
        )
        self._add(START - 1000, "site", msgspec.json.encode(config), 0)
        lines: list[bytes] = []
        step = HOUR_MS / events
        for number in range(events // 6):
            for index, line in enumerate(_call(number, agents, services, step)):
                lines.append(line)
                if len(lines) == PER_ENTRY:
                    at = START + int((number * 6 + index) * step)
                    self._add(at, "events", b"\n".join(lines), PER_ENTRY)
                    lines = []

    @property
    def head_at(self) -> int:
        """The time at which the newest entry was recorded, in ticks."""
        return self.stored[-1].recorded_at

    def first_at(self) -> int:
        """Return the time at which the oldest entry was recorded, in ticks."""
        return self.stored[0].recorded_at

    def last_before(self, ticks: int) -> int:
        """Return the number of the last entry that was recorded before ``ticks``."""
        return sum(entry.recorded_at < ticks for entry in self.stored)

    def entries(self, after: int) -> Iterator[Entry]:
        """Yield the entries after the entry with this number."""
        yield from self.stored[after:]

    def state(self, at_most_entry: int) -> FloorState | None:  # noqa: ARG002 -- required by the port
        """Return the empty floor."""
        return FloorState(client=CLIENT)

    def find_calls(self, keys: Collection[Key], at_position: int) -> dict[Key, bytes]:  # noqa: ARG002 -- as above
        """Return no calls, because no call has left memory before the hour."""
        return {}

    def _add(self, at: int, kind: str, payload: bytes, count: int) -> None:
        last = self.stored[-1].recorded_at if self.stored else 0
        ticks = max(at * TICKS_PER_MS, last + 1)
        number = len(self.stored) + 1
        self.stored.append(Entry(CLIENT, number, ticks, kind, count, payload))  # type: ignore[arg-type]  # all callers pass a valid kind


def _call(number: int, agents: int, services: int, step: float) -> Iterator[bytes]:
    """Yield a call's six events, including its agent's states."""
    at = START + int(number * 6 * step)
    agent, service = f"AGENT{number % agents}", number % services + 1
    call = {"transactionId": number + 1, "sessionId": f"S{number}"}
    for index, (kind, data) in enumerate(
        (
            ("call.start", {**call, "service": service, "direction": "INBOUND",
                            "callerId": f"+1212{number:07d}"}),
            ("call.queue", {**call, "service": service}),
            ("call.answer", {**call, "agent": agent}),
            ("agent.state", {"agent": agent, "eventType": "IN_CALL", "service": service,
                             "call": call}),
            ("call.end", call),
            ("agent.state", {"agent": agent, "eventType": "READY", "service": service}),
        )
    ):  # fmt: skip
        moment = datetime.fromtimestamp((at + int(index * step)) / 1000, UTC).isoformat()
        event = {"specversion": "1.0", "id": f"{number}-{index}", "source": "bench", "type": kind}
        yield msgspec.json.encode({**event, "time": moment, "data": data})


def seal_an_hour(events: int, agents: int, services: int) -> None:
    """Print the cost of sealing an hour."""
    source = Hour(events, agents, services)
    with tempfile.TemporaryDirectory() as folder:
        archive = open_archive(folder)
        job = SealJob("", folder, CLIENT, ZONE, START + HOUR_MS + 15 * 60_000, LIMITS)
        before = time.process_time()
        report = HourSealer(job, archive, source).seal_next()
        while report.sealed is not None and not report.sealed.endswith("/10"):
            before = time.process_time()
            report = HourSealer(job, archive, source).seal_next()
        spent = time.process_time() - before
    print(
        f"one hour sealed: {events:,} events, {report.rows:,} rows, {report.bytes / 2**20:.1f} MiB"
        f" in {spent:.2f} s of processor time"
    )


def write_a_month(archive: Archive, days: int, first: int) -> None:
    """Write a month's hours with their service intervals."""
    calendar, chance = Calendar(ZONE), random.Random(1)
    for day in range(first, first + days):
        for hour in hours_of(CLIENT, day, calendar):
            rows = [
                {
                    "serviceId": service + 1, "serviceName": f"Service {service}", "start": start,
                    "end": start + 300_000, **{name: chance.randrange(100) for name in COUNTERS},
                    "agentsMax": 9, "queueMax": 3,
                    "waits": [chance.randrange(60) for _ in range(5)],
                }
                for start in range(hour.start, hour.end, 300_000)
                for service in range(MONTH_SERVICES)
            ]  # fmt: skip
            content, count = parquet_bytes("service_intervals", rows)
            files = {"service_intervals": describe_file(content, count)}
            manifest = HourManifest(
                client=CLIENT, date=hour.date, hour=hour.number, start=hour.start, end=hour.end,
                time_zone=ZONE, revision=1, cut=hour.cut(1), first_token=None, last_token=None,
                personal="drop", writer=WRITER, files=files,
            )  # fmt: skip
            archive.write(f"{hour.path}/service_intervals.parquet", content)
            archive.write(f"{hour.path}/{HOUR_MANIFEST}", encode_manifest(manifest))


def report_a_month(days: int) -> None:
    """Print the time that a report on a month by day takes."""
    calendar = Calendar(ZONE)
    first = calendar.day_of(START) - days
    begin, end = calendar.bounds(first)[0], calendar.bounds(first + days)[0]
    with tempfile.TemporaryDirectory() as folder:
        archive = open_archive(folder)
        write_a_month(archive, days, first)
        hours = sum(1 for _ in hours_between(CLIENT, begin, end, calendar))
        services = list(range(1, MONTH_SERVICES + 1))
        for attempt in ("first", "again"):
            span = ClientSpan(CLIENT, ZONE, begin, end, services)
            job = ReportJob("service", folder, folder, [span], end, LIMITS)
            began, before = time.perf_counter(), time.process_time()
            rows = len(service_report(job, archive).intervals)
            spent, computed = time.perf_counter() - began, time.process_time() - before
            print(
                f"{days} days by day ({attempt}): {hours} hours, {rows:,} rows in {spent:.2f} s,"
                f" {computed:.2f} s of processor time"
            )


def main() -> None:
    """Run both measurements."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument(
        "--events",
        type=int,
        default=41_667,
        help="events of the hour: a day of a million has so many",
    )
    parser.add_argument("--agents", type=int, default=10_000)
    parser.add_argument("--services", type=int, default=500)
    parser.add_argument("--days", type=int, default=31, help="days of the report")
    given = parser.parse_args()
    gc.disable()  # as in a worker process
    seal_an_hour(given.events, given.agents, given.services)
    report_a_month(given.days)


if __name__ == "__main__":
    main()
