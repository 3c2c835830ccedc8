"""``floorcast connect livevox``: sends the events of another server to a server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from floorcast.cli.connect_options import (
    ConnectOptions,
    epoch_seconds,
    secret_option,
    time_option,
    with_options,
)
from floorcast.model.errors import SettingError

if TYPE_CHECKING:
    from floorcast.client import Credentials
    from floorcast.connectors.connect_file import ConnectFile, LivevoxTable

__all__ = ["connect_livevox", "run_livevox"]


@dataclass(frozen=True, kw_only=True)
class LivevoxOptions(ConnectOptions):
    """The options of ``floorcast connect livevox``."""

    from_url: Annotated[
        str | None, typer.Option("--from", metavar="URL", help="The server to follow.")
    ] = None
    client: Annotated[
        str | None, typer.Option(metavar="NAME", help="The client's name on that server.")
    ] = None
    user: Annotated[
        str | None, typer.Option(metavar="NAME", help="The name of one of the client's users.")
    ] = None
    password_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="A file with the user's password on its first line. Without it, FLOORCAST_PASSWORD"
            " or a prompt is used.",
        ),
    ] = None
    password: Annotated[str | None, secret_option()] = None
    api_token_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="A file with one of the client's API tokens (LV-Access) on its first line. Without"
            " it, FLOORCAST_API_TOKEN or a prompt is used.",
        ),
    ] = None
    api_token: Annotated[str | None, secret_option()] = None
    poll_seconds: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=3600,
            metavar="SECONDS",
            help="The time between two requests for the waiting calls; 0 for none. [default: 5]",
        ),
    ] = None
    since: Annotated[
        datetime | None,
        time_option(
            text="At the first start, read the feeds from this time on. Default: as far back as"
            " they reach, 24 hours."
        ),
    ] = None
    source: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The name of this server in event ids; never change it."),
    ] = None


@with_options(LivevoxOptions)
def connect_livevox(context: typer.Context, given: LivevoxOptions) -> None:
    """Send the events of another server with this API.

    The other server is LiveVox or floorcast. Follows the feeds at --from as a user of the client,
    and sends their events to --url. Runs until Ctrl-C or SIGTERM. No event is lost or counted
    twice, even if this command or a server is killed.
    """
    from floorcast.cli.connector_setup import read_settings

    settings, secrets = read_settings(context, given, "livevox")
    run_livevox(settings, secrets, check=given.check, since=epoch_seconds(given.since))


def run_livevox(
    settings: ConnectFile,
    secrets: dict[str, str],
    *,
    check: bool = False,
    since: float | None = None,
) -> None:
    """Check or run the connector that the settings describe. Raises SettingError."""
    import asyncio

    from floorcast.cli.connector_setup import checking_key, print_tables, run_connector
    from floorcast.cli.login import naming_login_options
    from floorcast.client.address import check_address
    from floorcast.connectors.livevox.check import check_server
    from floorcast.connectors.livevox.connector import FollowedServer, LivevoxConnector

    table = settings.livevox
    if table is None or not table.from_url:
        raise SettingError("nothing to follow: set --from, or give a connect.toml with from_url")
    check_address(table.from_url)  # before it is logged, because it may hold a password
    server = FollowedServer(
        url=table.from_url,
        credentials=_credentials(table, secrets),
        source=table.source,
        since=since,
        poll_seconds=table.poll_seconds,
        record=Path(settings.record) if settings.record else None,
    )
    reads = f"the feeds of {table.client} at {table.from_url}"
    with naming_login_options(table.client, "--password-file"):
        if check:
            with checking_key(settings):
                print_tables(asyncio.run(check_server(server)))
            return
        run_connector(
            settings, reads, lambda spool, metrics: LivevoxConnector(server, spool, metrics)
        )


def _credentials(table: LivevoxTable, secrets: dict[str, str]) -> Credentials:
    from floorcast.cli.connector_setup import resolve_secret
    from floorcast.client import Credentials

    for option_name, value in (("--client", table.client), ("--user", table.user)):
        if not value:
            raise SettingError(f"{option_name} must be given with --from")
    return Credentials(
        client=table.client,
        user=table.user,
        password=resolve_secret(
            secrets.get("password"), table.password_file, "the password", "FLOORCAST_PASSWORD"
        ),
        api_token=resolve_secret(
            secrets.get("api_token"), table.api_token_file, "the API token", "FLOORCAST_API_TOKEN"
        ),
    )
