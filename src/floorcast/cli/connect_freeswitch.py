"""``floorcast connect freeswitch``: sends FreeSWITCH's events to a server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from floorcast.cli.connect_options import ConnectOptions, secret_option, with_options
from floorcast.model.errors import SettingError

if TYPE_CHECKING:
    from floorcast.connectors.connect_file import ConnectFile, FreeswitchTable
    from floorcast.connectors.freeswitch.esl_connection import EslAddress

__all__ = ["connect_freeswitch", "run_freeswitch"]


@dataclass(frozen=True, kw_only=True)
class FreeswitchOptions(ConnectOptions):
    """The options of ``floorcast connect freeswitch``."""

    esl: Annotated[
        str | None, typer.Option(metavar="HOST[:PORT]", help="The event socket (ESL).")
    ] = None
    esl_user: Annotated[
        str | None,
        typer.Option(
            metavar="NAME@DOMAIN",
            help="A user in the directory. Default: the event socket's own password.",
        ),
    ] = None
    esl_password_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="A file with the password on its first line. Without it, FLOORCAST_ESL_PASSWORD "
            "or a prompt is used.",
        ),
    ] = None
    esl_password: Annotated[str | None, secret_option()] = None
    source: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The name of this FreeSWITCH in event ids; never change it."
        ),
    ] = None


@with_options(FreeswitchOptions)
def connect_freeswitch(context: typer.Context, given: FreeswitchOptions) -> None:
    """Send FreeSWITCH's events to a server.

    Sends the events of queues and agents as they happen. Reads mod_callcenter's events from the
    event socket (--esl). Runs until Ctrl-C or SIGTERM. No event is lost or counted twice, even if
    this command, FreeSWITCH or the server is killed.
    """
    from floorcast.cli.connector_setup import read_settings

    settings, secrets = read_settings(context, given, "freeswitch")
    run_freeswitch(settings, secrets, check=given.check)


def run_freeswitch(settings: ConnectFile, secrets: dict[str, str], *, check: bool = False) -> None:
    """Check or run the connector that the settings describe. Raises SettingError."""
    import asyncio
    import time

    from floorcast.cli.connector_setup import checking_key, print_tables, run_connector
    from floorcast.connectors.freeswitch.check import check_esl
    from floorcast.connectors.freeswitch.connector import FreeswitchConnector

    table = settings.freeswitch
    if table is None or not table.esl:
        raise SettingError("nothing to read: set --esl, or give a connect.toml")
    address = _address(table, secrets.get("esl_password"))
    if check:
        with checking_key(settings):
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
