"""``floorcast alert test``: shows when alert rules would have fired on a stored day."""

from __future__ import annotations

from contextlib import closing
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from floorcast.cli.admin import (
    ClientOption,
    DataOption,
    find_client,
    with_kv,
)
from floorcast.cli.options import known_options
from floorcast.cli.tables import table_lines
from floorcast.config.sources import load
from floorcast.model.errors import SettingError

if TYPE_CHECKING:
    from floorcast.kv.port import KeyValueStore
    from floorcast.site.configuration import SiteClient

__all__ = ["register"]

HEADING = ("time", "alert", "service", "status", "value", "threshold")


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    alert = typer.Typer(
        help="Try alert rules on a stored day.", no_args_is_help=True, rich_markup_mode=None
    )
    alert.command("test")(run_backtest)
    app.add_typer(alert, name="alert")


def run_backtest(
    context: typer.Context,
    day: Annotated[
        str, typer.Option(metavar="YYYY-MM-DD", help="The day, in the client's time zone.")
    ],
    data: DataOption = None,
    log: Annotated[
        str | None,
        typer.Option(
            metavar="NATS-URL",
            help="The cluster that the folder's node belongs to, nats://HOST,HOST,….",
            show_default=False,
        ),
    ] = None,
    client: ClientOption = None,
    site: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Use the rules of this site file instead of the current ones.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print when alert rules would have fired on a stored day.

    Folds the day's stored events and evaluates the rules once per second, as the server does. The
    log keeps events for at least 26 hours; a day that it no longer has from the beginning is an
    error. The server can be running or stopped.
    """
    from floorcast.cli.alert_backtest import backtest
    from floorcast.cli.verify import open_log
    from floorcast.site.changes import pluralize
    from floorcast.site.live_site import Site

    async def find(kv: KeyValueStore) -> SiteClient:
        return find_client(Site(kv), client)

    store = {"data": data, "log": log}
    settings = load(store, known=known_options(context))
    tested_day = _day(day)
    with closing(open_log(settings.data)) as reader:
        owner = with_kv(context, store, find)
        result = backtest(reader, settings, owner, tested_day, site)
    for line in table_lines([HEADING, *result.rows]) if result.rows else ():
        print(line)
    rules, times = pluralize(result.rules, "rule"), pluralize(result.firings, "time")
    print(f"{rules}; alerts would have fired {times} on {day}")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingError(f"--day: must be a date such as 2026-11-26, not {text!r}") from None
