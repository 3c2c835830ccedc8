"""``floorcast connect freeswitch``: sends FreeSWITCH's events to a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from floorcast.cli import connect_options as options
from floorcast.model.errors import SettingError

if TYPE_CHECKING:
    from floorcast.connectors.connect_file import ConnectFile, FreeswitchTable
    from floorcast.connectors.freeswitch.esl_connection import EslAddress

__all__ = ["connect_freeswitch", "run_freeswitch"]


def connect_freeswitch(
    context: typer.Context,
    esl: Annotated[
        str | None, typer.Option(metavar="HOST[:PORT]", help="The event socket.")
    ] = None,
    esl_user: Annotated[
        str | None,
        typer.Option(
            metavar="NAME@DOMAIN",
            help="A user in the directory. Default: the event socket's own password.",
        ),
    ] = None,
    esl_password_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="A file with the password on its first line. Without it, FLOORCAST_ESL_PASSWORD "
            "or a prompt is used.",
        ),
    ] = None,
    esl_password: Annotated[
        str | None, typer.Option(hidden=True, callback=options.reject_on_command_line)
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The name of this FreeSWITCH in event ids; never change it."
        ),
    ] = None,
    key: options.KeyOption = None,
    key_file: options.KeyFileOption = None,
    url: options.UrlOption = None,
    spool: options.SpoolOption = None,
    record: options.RecordOption = None,
    metrics_port: options.MetricsPortOption = None,
    metrics_host: options.MetricsHostOption = None,
    check: options.CheckOption = False,
    config: options.ConfigOption = None,
) -> None:
    """Send FreeSWITCH's events to a server.

    Sends the events of queues and agents as they happen. Reads mod_callcenter's events from the
    event socket (--esl). Runs until Ctrl-C or SIGTERM. No event is lost or counted twice, even if
    this command, FreeSWITCH or the server is killed.
    """
    from floorcast.cli.connector_setup import read_settings

    flags: dict[str, object] = {
        "esl": esl,
        "esl_user": esl_user,
        "esl_password_file": esl_password_file,
        "source": source,
        "key": key,
        "key_file": key_file,
        "url": url,
        "spool": spool,
        "record": record,
        "metrics_port": metrics_port,
        "metrics_host": metrics_host,
    }
    _ = esl_password  # read from the environment: see read_settings
    settings, secrets = read_settings(context, config or context.obj, flags, "freeswitch")
    run_freeswitch(settings, secrets, check=check)


def run_freeswitch(settings: ConnectFile, secrets: dict[str, str], *, check: bool = False) -> None:
    """Check or run the connector that the settings describe. Raises SettingError."""
    import asyncio
    import time

    from floorcast.cli.connector_setup import print_tables, run_connector
    from floorcast.connectors.freeswitch.check import check_esl
    from floorcast.connectors.freeswitch.connector import FreeswitchConnector

    table = settings.freeswitch
    if table is None or not table.esl:
        raise SettingError("nothing to read: set --esl, or give a connect.toml")
    address = _address(table, secrets.get("esl_password"))
    if check:
        print_tables(asyncio.run(check_esl(address, table.mapping(), time.time())))
        return
    record = Path(settings.record) if settings.record else None
    run_connector(
        settings,
        f"event socket {address}",
        lambda spool, metrics: FreeswitchConnector(
            address, table.mapping(), spool, metrics, record=record
        ),
    )


def _address(table: FreeswitchTable, secret: str | None) -> EslAddress:
    from floorcast.cli.connector_setup import parse_address, resolve_secret
    from floorcast.connectors.freeswitch.esl_connection import DEFAULT_PORT, EslAddress

    host, port = parse_address("--esl", table.esl, DEFAULT_PORT)
    what = "the ESL password"
    secret = resolve_secret(secret, table.esl_password_file, what, "FLOORCAST_ESL_PASSWORD")
    return EslAddress(host, port, secret, table.esl_user)
