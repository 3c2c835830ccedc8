"""``floorcast archive``: lists, verifies and exports the archive."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from floorcast.cli.options import known_options
from floorcast.cli.progress_bar import show_progress
from floorcast.cli.tables import print_table, table_lines
from floorcast.config.sources import load
from floorcast.model.errors import SettingError
from floorcast.model.wording import one_of

if TYPE_CHECKING:
    from floorcast.archive.manifests import HourManifest
    from floorcast.archive.storage import Archive

__all__ = ["register"]

LIST_COLUMNS = ("client", "day", "hours", "complete", "rows", "bytes", "corrected", "erased")
FINDING_COLUMNS = ("client", "hour", "file", "finding")
FORMATS = ("csv", "parquet")
NO_HOURS = "the archive has no such hours; see 'floorcast archive list'"

ArchiveOption = Annotated[
    str | None,
    typer.Option("--archive", metavar="PATH|URL", help="The archive: a folder or a bucket."),
]
ClientIdOption = Annotated[
    int | None,
    typer.Option(
        "--client", metavar="ID", help="Only the client with this id; an archive has no names."
    ),
]
FromOption = Annotated[
    str | None, typer.Option("--from", metavar="DATE", help="The first day (2026-11-26).")
]
ToOption = Annotated[
    str | None, typer.Option("--to", metavar="DATE", help="The last day, inclusive.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    group = typer.Typer(
        help="List, verify and export the archive.", no_args_is_help=True, rich_markup_mode=None
    )
    group.command("list")(show)
    group.command("verify")(verify)
    group.command("export")(export)
    app.add_typer(group, name="archive")


def show(
    context: typer.Context,
    archive: ArchiveOption = None,
    client: ClientIdOption = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object per day.")] = False,
) -> None:
    """List the days of the archive, with their hours and sizes.

    A day is complete when it is over and no hour is missing.
    """
    found = _open(context, archive)
    listed = list(_days(found, client, None, None))
    days = []
    with show_progress(len(listed), "days", lines=False) as progress:
        for one, date_text in listed:
            days.append(_day(found, one, date_text))
            progress.update(len(days))
    if as_json:
        for day in days:
            print(msgspec.json.encode(dict(zip(LIST_COLUMNS, day, strict=True))).decode())
        return
    rows = [[str(cell) if not isinstance(cell, int) else f"{cell:,}" for cell in d] for d in days]
    whose = "" if client is None else f" of client {client}"
    print_table(
        LIST_COLUMNS,
        [[row[0].replace(",", ""), *row[1:]] for row in rows],
        empty=f"the archive has no days{whose}; add them: floorcast serve --archive",
    )


def verify(
    context: typer.Context,
    archive: ArchiveOption = None,
    client: ClientIdOption = None,
    since: FromOption = None,
    until: ToOption = None,
) -> None:
    """Check every file and recompute the figures.

    Compares each file with its manifest, and the figures with the states and calls. Prints a table
    of the differences, and exits with 1 if there are any.
    """
    found = _open(context, archive)
    from floorcast.archive.checking import Checker

    findings: list[Sequence[str]] = []
    days = list(_days(found, client, since, until))
    if not days:
        raise SettingError(NO_HOURS)
    with show_progress(len(days), "days") as progress:
        checkers: dict[int, Checker] = {}
        hours = 0
        for count, (one, day) in enumerate(days, 1):
            checker = checkers.setdefault(one, Checker(found))
            for manifest in found.hours(one, day):
                hours += 1
                findings += [(str(one), *finding) for finding in checker.check(manifest)]
            progress.update(count)
        for one, checker in checkers.items():
            findings += [(str(one), *finding) for finding in checker.finish()]
    rows = sum(checker.rows for checker in checkers.values())
    print(f"{hours:,} hours, {rows:,} rows, {len(findings) or 'no'} findings")
    if findings:
        for line in table_lines([FINDING_COLUMNS, *findings]):
            print(line)
        raise typer.Exit(1)


def export(
    context: typer.Context,
    into: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that does not exist yet.")],
    archive: ArchiveOption = None,
    client: ClientIdOption = None,
    since: FromOption = None,
    until: ToOption = None,
    form: Annotated[
        str, typer.Option("--format", metavar="csv|parquet", help="The format of the files.")
    ] = "parquet",
) -> None:
    """Copy the archive's rows into new files.

    Writes one file per kind of row, such as DIR/calls.csv. Every row begins with its client, date
    and hour.
    """
    if form not in FORMATS:
        raise SettingError(f"--format: must be {one_of(FORMATS)}")
    found = _open(context, archive)
    from floorcast.archive.exporting import export as copy

    days = list(_days(found, client, since, until))
    hours = [manifest for one, day in days for manifest in found.hours(one, day)]
    if not hours:
        raise SettingError(NO_HOURS)
    try:
        into.mkdir(mode=0o700)
    except FileExistsError:
        raise SettingError(f"{into} already exists: an export needs a new folder") from None
    with show_progress(len(hours), "hours") as progress:
        rows = copy(found, hours, into, form, progress.update)  # type: ignore[arg-type]  # one of FORMATS
    for name, count in rows.items():
        print(f"{into / name}: {count:,} rows")


def _open(context: typer.Context, archive: str | None) -> Archive:
    where = load({"archive": archive}, known=known_options(context)).archive
    if not where:
        raise SettingError("no archive is set: name one with --archive")
    from floorcast.archive.extra import require_extra

    require_extra()
    from floorcast.archive.storage import open_archive

    found = open_archive(where)
    if not found.clients():
        raise SettingError(f"no archive at {where}")
    return found


def _days(
    archive: Archive, client: int | None, since: str | None, until: str | None
) -> Iterator[tuple[int, str]]:
    """Yield the requested clients and days, in order."""
    first, last = _date("--from", since), _date("--to", until)
    for one in archive.clients():
        if client not in (None, one):
            continue
        for day in archive.dates(one):
            if (first is None or first <= day) and (last is None or day <= last):
                yield one, day


def _date(name: str, text: str | None) -> str | None:
    try:
        return None if text is None else date.fromisoformat(text).isoformat()
    except ValueError:
        raise SettingError(f"{name}: must be a date such as 2026-11-26") from None


def _day(archive: Archive, client: int, day: str) -> tuple[int | str, ...]:
    from floorcast.archive.manifests import DAY_MANIFEST, read_day

    hours = archive.hours(client, day)
    path = f"client={client}/date={day}"
    content = archive.read(f"{path}/{DAY_MANIFEST}")
    complete = "no"
    if content is not None:
        manifest = read_day(content, path)
        missing = ", ".join(map(str, manifest.missing))
        complete = "yes" if manifest.complete else f"no: without {missing}"

    def total(of: Callable[[HourManifest], int]) -> int:
        return sum(map(of, hours))

    return (
        client,
        day,
        len(hours),
        complete,
        total(lambda hour: sum(file.rows for file in hour.files.values())),
        total(lambda hour: sum(file.bytes for file in hour.files.values())),
        total(lambda hour: hour.replaces is not None and bool(hour.replaces.files)),
        total(lambda hour: len(hour.erased)),
    )
