"""``floorcast verify``: recomputes every figure from the stored events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from floorcast.cli.admin import DataOption
from floorcast.cli.options import known_options
from floorcast.cli.progress_bar import ProgressDisplay, show_progress
from floorcast.cli.tables import table_lines
from floorcast.config.sources import load
from floorcast.model.errors import DamagedEntry, SettingError, Unavailable

if TYPE_CHECKING:
    from floorcast.config.settings import Settings
    from floorcast.log.log_file import StreamRow
    from floorcast.log.log_reader import LogReader
    from floorcast.statistics.visibility import Moment
    from floorcast.verify.verification import Difference, StoredEntry

__all__ = ["moment_limits", "open_log", "register", "stored_entries"]

READ_ENTRIES = 64  # entries read at a time
HOUR_MS = 3_600_000  # ms

DAMAGE_HEADING = ("client", "entry", "recorded at", "damage")
HEADING = ("client", "method", "row", "figure", "shown", "recomputed")


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("verify")(verify_stored)


def verify_stored(
    context: typer.Context,
    data: DataOption = None,
    disk: Annotated[
        bool, typer.Option("--disk", help="Check the databases for damage instead.")
    ] = False,
) -> None:
    """Recompute every figure from the stored events and compare.

    Separate code recomputes the figures as of each client's last event. The server can be running
    or stopped. Prints a table of the differences, and exits with 1 if there are any.

    With --disk, reads every page, row and entry of the databases in the data folder, verifies their
    checksums, and prints the damage.
    """
    settings = load({"data": data}, known=known_options(context))
    if disk:
        _verify_disk(settings.data)
        return
    log = open_log(settings.data)
    try:
        streams = list(log.streams())
        lines, differences = _verify_clients(log, streams, settings)
    finally:
        log.close()
    for line in lines or ["nothing to verify: the log has no events"]:
        print(line)
    if differences:
        print()
        for line in table_lines([HEADING, *differences]):
            print(line)
        raise typer.Exit(1)


def _verify_disk(folder: Path) -> None:
    """Print any damage, and exit with 1 if there is any."""
    from floorcast.log.damage import damaged_entries, entry_count
    from floorcast.log.data_folder import require_log
    from floorcast.verify.disk import damaged_files, database_names

    require_log(folder)
    with show_progress(len(database_names(folder)), "databases") as progress:
        lines = [f"{name}: {what}" for name, what in damaged_files(folder, progress.update)]
    entries = []
    try:
        with show_progress(entry_count(folder), "entries") as progress:
            for one in damaged_entries(folder, progress.update):
                found = (str(one.client), str(one.number), _time_text(one.recorded_at), one.why)
                entries.append(found)
    except Unavailable as error:
        lines.append(f"log.db: not all entries can be read: {error.message}")
    for line in lines:
        print(line)
    for line in table_lines([DAMAGE_HEADING, *entries]) if entries else ():
        print(line)
    if lines or entries:
        raise typer.Exit(1)
    print(f"{folder} is not damaged")


def _time_text(ticks: int | None) -> str:
    from datetime import UTC

    from floorcast.feeds.cursors import local_time

    return "unknown" if ticks is None else local_time(ticks, UTC)


def open_log(folder: Path) -> LogReader:
    """Open the log of a data folder. Raises SettingError if there is none or it cannot be read."""
    import apsw

    from floorcast.log.data_folder import require_log
    from floorcast.log.log_reader import LogReader

    require_log(folder)
    path = folder / "log.db"
    try:
        return LogReader(path)
    except apsw.Error as error:
        raise SettingError(f"{path} cannot be read: {error}") from error


def moment_limits(settings: Settings) -> Moment:
    """Return the limits that a server with these settings uses for its fold."""
    from floorcast.statistics.visibility import Moment

    return Moment(
        0,
        int(settings.call_quiet_hours * HOUR_MS),
        int(settings.agent_quiet_hours * HOUR_MS),
        int(settings.agent_late_minutes * 60_000),
    )


def _verify_clients(
    log: LogReader, streams: Sequence[StreamRow], settings: Settings
) -> tuple[list[str], list[Sequence[str]]]:
    """Verify all clients. Returns a line for each client and a table row for each difference."""
    lines: list[str] = []
    differences: list[Sequence[str]] = []
    before = 0
    with show_progress(sum(map(log.stored_count, streams)), "entries") as progress:
        for stream in streams:
            removed = log.last_removed(stream.ordinal)
            entries = _tracked(log, stream, progress, before - removed)
            line, found = _verify_client(stream, entries, settings)
            lines.append(line)
            differences += found
            before += stream.head.number - removed
            progress.update(before)
    return lines, differences


def _tracked(
    log: LogReader, stream: StreamRow, progress: ProgressDisplay, first: int
) -> Iterator[StoredEntry]:
    """Yield the stored entries. ``first`` plus an entry's number is the progress."""
    for entry in stored_entries(log, stream):
        yield entry
        progress.update(max(0, first + entry.number))  # the removed site's number is lower


def _verify_client(
    stream: StreamRow, entries: Iterator[StoredEntry], settings: Settings
) -> tuple[str, list[Sequence[str]]]:
    """Verify a client's log. Returns the result in words, and a table row for each difference."""
    from floorcast.verify.verification import verify

    try:
        found = verify(stream.client, entries, moment_limits(settings))
    except DamagedEntry as error:
        row = (str(stream.client), "(none)", f"entry {error.number}", "", error.why, "")
        return f"client {stream.client}: {error.message}", [row]
    counts = (
        _counted(found.entries, "entry", "entries"),
        _counted(found.rows, "row", "rows"),
        _counted(found.figures, "figure", "figures"),
        _counted(len(found.differences), "difference", "differences"),
    )
    rows = [_difference_row(stream.client, one) for one in found.differences]
    return f"client {stream.client}: {', '.join(counts)}", rows


def _counted(count: int, one: str, many: str) -> str:
    return f"1 {one}" if count == 1 else f"{f'{count:,}' if count else 'no'} {many}"


def _difference_row(client: int, difference: Difference) -> Sequence[str]:
    method, row, figure, shown, recomputed = difference
    return (str(client), method, row, figure or "(the row)", str(shown), str(recomputed))


def stored_entries(log: LogReader, stream: StreamRow) -> Iterator[StoredEntry]:
    """Yield the stored entries, preceded by the site that applied when the first was written."""
    from floorcast.verify.verification import StoredEntry

    removed = log.last_removed_site(stream.ordinal)
    if removed is not None:
        yield StoredEntry(removed.number, removed.recorded_at, removed.kind, removed.payload)
    after = 0
    while entries := log.read(stream, after, READ_ENTRIES):
        for entry in entries:
            yield StoredEntry(entry.number, entry.recorded_at, entry.kind, entry.payload)
        after = entries[-1].number
