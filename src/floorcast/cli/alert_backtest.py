"""Evaluates alert rules on the stored events of one day, for ``floorcast alert test``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from floorcast.alerts.transitions import due_transitions
from floorcast.cli.progress_bar import show_progress
from floorcast.cli.verify import moment_limits, stored_entries
from floorcast.config.settings import Settings
from floorcast.feeds.cursors import local_time
from floorcast.floor.days import Calendar
from floorcast.floor.floor import Floor
from floorcast.floor.state import FloorState
from floorcast.floor.view import Alert, FloorView
from floorcast.log.log_file import StreamRow
from floorcast.log.log_reader import LogReader
from floorcast.model.errors import SettingError
from floorcast.model.inbound import AlertTransition, read_lines
from floorcast.model.inbound_data import AlertTransitionData
from floorcast.model.token import TICKS_PER_MS, to_ms
from floorcast.projection.refold import FoldLimits, Refold
from floorcast.site.configuration import FloorConfig, SiteClient
from floorcast.site.file_reader import read
from floorcast.statistics.alert_evaluation import alerts_of, evaluate_alerts
from floorcast.statistics.visibility import Moment
from floorcast.verify.verification import StoredEntry

__all__ = ["BacktestResult", "backtest"]


class BacktestResult(NamedTuple):
    """The outcome: the transitions as table rows, and the numbers of rules and firings."""

    rows: list[Sequence[str]]
    rules: int
    firings: int


def backtest(
    reader: LogReader, settings: Settings, owner: SiteClient, day: date, site: Path | None
) -> BacktestResult:
    """Evaluate the client's current rules, or those of a site file, on one day.

    Raises SettingError if there are no rules, or no events of the client on that day.
    """
    config = _tested_config(owner, site)
    zone = ZoneInfo(config.time_zone)
    bounds = _day_bounds(day, zone, config)
    found = list(_transitions(reader, _stream(reader, owner), settings, config, bounds))
    names = {service.id: service.name for service in config.services}
    return BacktestResult(
        [_row(at, data, names, zone) for at, data in found],
        len(config.alerts),
        sum(one.status == "firing" for _, one in found),
    )


class _DayBounds(NamedTuple):
    """The start and end of a day, in ms."""

    begin: int
    end: int


def _tested_config(owner: SiteClient, site: Path | None) -> FloorConfig:
    """Return the configuration with the rules to try: the current one, or the site file's."""
    config = owner.floor_config
    if site is not None:
        declared = {one.id: one for one in read(site).clients}
        if owner.id not in declared:
            raise SettingError(f"--site: {site} declares no client {owner.name} ({owner.id})")
        config = declared[owner.id].floor_config()
    if not config.alerts:
        where = "the client" if site is None else f"client {owner.name} in {site}"
        raise SettingError(f"{where} has no alert rules; --site FILE tries the rules of a file")
    return config


def _stream(log: LogReader, owner: SiteClient) -> StreamRow:
    for stream in log.streams():
        if stream.client == owner.id:
            return stream
    raise SettingError(f"the log has no events of client {owner.name} ({owner.id})")


def _day_bounds(day: date, zone: ZoneInfo, config: FloorConfig) -> _DayBounds:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=zone)
    calendar = Calendar(config.time_zone)
    return _DayBounds(*calendar.bounds(calendar.day_of(int(noon.timestamp() * 1000))))


def _transitions(
    log: LogReader, stream: StreamRow, settings: Settings, config: FloorConfig, bounds: _DayBounds
) -> Iterator[tuple[int, AlertTransitionData]]:
    limits = moment_limits(settings)
    fold_limits = FoldLimits(limits.quiet_call, limits.quiet_agent, limits.late_state)
    refold = Refold(FloorState(client=stream.client), fold_limits)
    last = min(bounds.end, to_ms(stream.head.recorded_at))
    if last < bounds.begin:
        raise _no_events(f"ends at {_local_time(stream.head.recorded_at, config)}")
    with show_progress(max(1, (last - bounds.begin) // 60_000), "minutes", lines=False) as bar:
        now, begun = bounds.begin, False
        for entry in stored_entries(log, stream):
            until = min(to_ms(entry.recorded_at), bounds.end)
            if until == bounds.end and not begun:
                raise _no_events(f"begins at {_local_time(entry.recorded_at, config)}")
            while now < until:
                yield from _evaluate(refold.floor, limits._replace(now=now))
                now += 1000
                if not (now - bounds.begin) % 60_000:
                    bar.update((now - bounds.begin) // 60_000)
            if now >= bounds.end:
                break
            _fold(refold, entry, config)
            begun = begun or entry.kind == "events"


def _no_events(bound: str) -> SettingError:
    return SettingError(f"--day: the log has no events of that day; it {bound}")


def _local_time(recorded_at: int, config: FloorConfig) -> str:
    return local_time(recorded_at, ZoneInfo(config.time_zone))


def _fold(refold: Refold, entry: StoredEntry, config: FloorConfig) -> None:
    """Fold an entry with the rules to try, but skip transitions that the server recorded."""
    payload = entry.payload
    if entry.kind == "site":
        stored = msgspec.json.decode(payload, type=FloorConfig)
        payload = msgspec.json.encode(msgspec.structs.replace(stored, alerts=config.alerts))
    elif entry.kind == "events" and _is_alert_entry(payload):
        return
    refold.fold_entry(entry.number, entry.recorded_at, entry.kind, payload)


def _is_alert_entry(payload: bytes) -> bool:
    first, _, _ = payload.partition(b"\n")
    return isinstance(read_lines(first)[0], AlertTransition)


def _evaluate(floor: Floor, moment: Moment) -> Iterator[tuple[int, AlertTransitionData]]:

    def held(_key: str, alert: Alert) -> int:
        return moment.now - alert.since

    view = FloorView(floor)
    for alerts in evaluate_alerts(view, alerts_of(view), moment):
        for transition in due_transitions(view, alerts, moment.now, held):
            floor.fold(transition, moment.now * TICKS_PER_MS, "")
            yield moment.now, transition.data


def _row(
    at: int, data: AlertTransitionData, names: dict[int, str], zone: ZoneInfo
) -> Sequence[str]:
    clock = datetime.fromtimestamp(at / 1000, zone).strftime("%H:%M:%S")
    service = "" if data.service is None else names.get(data.service, str(data.service))
    value = "" if data.value is None else f"{data.value:g}"
    return (clock, data.name, service, data.status, value, f"{data.threshold:g}")
