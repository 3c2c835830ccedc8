"""``floorcast verify``: recomputes every figure from the stored events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from floorcast.cli.admin import DataOption
from floorcast.cli.options import known_options
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
        if not streams:
            print("nothing to verify: the log has no events")
        differences = [line for stream in streams for line in _verify_client(log, stream, settings)]
    finally:
        log.close()
    if differences:
        print()
        for line in table_lines([HEADING, *differences]):
            print(line)
        raise typer.Exit(1)


def _verify_disk(folder: Path) -> None:
    """Print any damage, and exit with 1 if there is any."""
    from floorcast.log.damage import damaged_entries
    from floorcast.log.data_folder import require_log
    from floorcast.verify.disk import damaged_files

    require_log(folder)
    lines = [f"{name}: {finding}" for name, finding in damaged_files(folder)]
    entries = []
    try:
        for one in damaged_entries(folder):
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


def _verify_client(log: LogReader, stream: StreamRow, settings: Settings) -> list[Sequence[str]]:
    """Verify a client's log and print the result. Returns a table row for each difference."""
    from floorcast.verify.verification import verify

    try:
        found = verify(stream.client, stored_entries(log, stream), moment_limits(settings))
    except DamagedEntry as error:
        print(f"client {stream.client}: {error.message}")
        return [(str(stream.client), "(none)", f"entry {error.number}", "", error.why, "")]
    counts = (
        _counted(found.entries, "entry", "entries"),
        _counted(found.rows, "row", "rows"),
        _counted(found.figures, "figure", "figures"),
        _counted(len(found.differences), "difference", "differences"),
    )
    print(f"client {stream.client}: {', '.join(counts)}")
    return [_difference_row(stream.client, one) for one in found.differences]


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
