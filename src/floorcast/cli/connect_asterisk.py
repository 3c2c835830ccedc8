"""``floorcast connect asterisk``: sends Asterisk's events to a server."""

from __future__ import annotations

import os
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
    from floorcast.connectors.asterisk.ami_connection import AmiAddress
    from floorcast.connectors.connect_file import AsteriskTable, ConnectFile

__all__ = ["connect_asterisk", "run_asterisk"]


@dataclass(frozen=True, kw_only=True)
class AsteriskOptions(ConnectOptions):
    """The options of ``floorcast connect asterisk``."""

    ami: Annotated[
        str | None, typer.Option(metavar="HOST[:PORT]", help="The manager interface (AMI).")
    ] = None
    ami_user: Annotated[
        str | None, typer.Option(metavar="NAME", help="A user in manager.conf.")
    ] = None
    ami_secret_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="A file with the user's secret on its first line. Without it, "
            "FLOORCAST_AMI_SECRET or a prompt is used.",
        ),
    ] = None
    ami_secret: Annotated[str | None, secret_option()] = None
    ami_tls: Annotated[
        bool | None,
        typer.Option(
            "--ami-tls", help="Use TLS for the manager interface, on port 5039 by default."
        ),
    ] = None
    ami_ca_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The CA certificate for Asterisk's certificate. Default: the machine's CAs.",
        ),
    ] = None
    queue_log: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The queue log, in addition to or instead of AMI."),
    ] = None
    since: Annotated[
        datetime | None,
        time_option("--from", text="Read the queue log from this time on. Default: 26 hours ago."),
    ] = None
    source: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The name of this Asterisk in event ids; never change it."
        ),
    ] = None


@with_options(AsteriskOptions)
def connect_asterisk(context: typer.Context, given: AsteriskOptions) -> None:
    """Send Asterisk's events to a server.

    Sends the events of queues and agents as they happen. Reads AMI (--ami), the queue log
    (--queue-log), or both. Runs until Ctrl-C or SIGTERM. No event is lost or counted twice, even if
    this command, Asterisk or the server is killed.
    """
    from floorcast.cli.connector_setup import read_settings

    settings, secrets = read_settings(context, given, "asterisk")
    run_asterisk(settings, secrets, check=given.check, since=epoch_seconds(given.since))


def run_asterisk(
    settings: ConnectFile,
    secrets: dict[str, str],
    *,
    check: bool = False,
    since: float | None = None,
) -> None:
    """Check or run the connector that the settings describe. Raises SettingError."""
    from floorcast.cli.connector_setup import checking_key, run_connector
    from floorcast.connectors.asterisk.connector import AsteriskConnector, AsteriskSource

    table = settings.asterisk
    if table is None or not (table.ami or table.queue_log):
        raise SettingError("nothing to read: set --ami or --queue-log, or give a connect.toml")
    if table.queue_log and Path(table.queue_log).is_dir():
        raise SettingError(
            f"--queue-log: {table.queue_log} is a folder; name the file, such as"
            f" {Path(table.queue_log, 'queue_log')}"
        )
    address = _address(table, secrets.get("ami_secret"))
    if check:
        with checking_key(settings):
            _check(table, address)
        return
    source = AsteriskSource(
        ami=address,
        queue_log=Path(table.queue_log) if table.queue_log else None,
        since=since,
        record=Path(settings.record) if settings.record else None,
    )
    names = (("AMI", source.ami), ("queue log", source.queue_log))
    run_connector(
        settings,
        " and ".join(f"{name} {where}" for name, where in names if where),
        lambda spool, metrics: AsteriskConnector(source, table.mapping(), spool, metrics),
    )


def _address(table: AsteriskTable, secret: str | None) -> AmiAddress | None:
    from floorcast.cli.connector_setup import parse_address, resolve_secret
    from floorcast.connectors.asterisk import ami_connection

    if not table.ami:
        return None
    if table.ami_ca_file and not table.ami_tls:
        raise SettingError("--ami-ca-file is used only with TLS: also give --ami-tls")
    tls = ami_connection.tls_context(table.ami_ca_file) if table.ami_tls else None
    default_port = ami_connection.DEFAULT_TLS_PORT if tls else ami_connection.DEFAULT_PORT
    host, port = parse_address("--ami", table.ami, default_port)
    if not table.ami_user:
        raise SettingError("--ami-user must be given with --ami")
    what = "the AMI user's secret"
    secret = resolve_secret(secret, table.ami_secret_file, what, "FLOORCAST_AMI_SECRET")
    return ami_connection.AmiAddress(host, port, table.ami_user, secret, tls)


def _check(table: AsteriskTable, address: AmiAddress | None) -> None:
    import asyncio
    import time

    from floorcast.cli.connector_setup import print_tables
    from floorcast.connectors.asterisk.check import check_ami

    if table.queue_log:
        log = Path(table.queue_log)
        readable = log.is_file() and os.access(log, os.R_OK)
        print(f"queue log {log}: {'can be read' if readable else 'CANNOT be read'}")
        if not readable:
            raise typer.Exit(1)
    if address is not None:
        print_tables(
            asyncio.run(check_ami(address, table.mapping(), time.time())),
            "Whether the read rights call, agent and user are granted cannot be checked: see"
            " docs/connect-asterisk.md.",
        )
