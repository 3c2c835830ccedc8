"""``floorcast connect``: a PBX's queues and agents, sent to a server as they happen."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperOption

from floorcast.cli import options
from floorcast.cli.admin import aligned
from floorcast.client import AsyncSender, Timing
from floorcast.config.sources import given as given_everywhere
from floorcast.connectors.asterisk.ami_connection import DEFAULT_PORT, AmiAddress
from floorcast.connectors.asterisk.check import check_ami
from floorcast.connectors.asterisk.connector import AsteriskConnector, Source
from floorcast.connectors.connect_file import (
    AsteriskTable,
    ConnectFile,
    read_connect_file,
    read_secret,
)
from floorcast.connectors.health import Health
from floorcast.connectors.spool import Spool
from floorcast.model.errors import FloorcastError, SettingError
from floorcast.server.logging import set_up_log

__all__ = ["app", "register"]

app = typer.Typer(help="Connect a PBX, or another server of this API.", invoke_without_command=True)

ConfigOption = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, metavar="FILE", help="A connect.toml."),
]


def register(program: typer.Typer) -> None:
    """Add the commands to the program."""
    program.add_typer(app, name="connect")


@app.callback()
def _from_file(context: typer.Context, config: ConfigOption = None) -> None:
    """Connect the PBX that a connect.toml names, or one that a subcommand describes."""
    if context.invoked_subcommand:
        context.obj = config
        return
    if config is None and "FLOORCAST_CONFIG" not in os.environ:
        print(context.get_help())
        raise typer.Exit(2)
    _run(context, config, {}, check=False, since=None)


def _not_on_a_command_line(
    context: typer.Context, option: TyperOption, value: str | None
) -> str | None:
    source = context.get_parameter_source(option.name or "")
    if source is not None and source.name == "COMMANDLINE":
        raise typer.BadParameter(
            "a secret on the command line is read by everybody on the machine; give"
            " FLOORCAST_AMI_SECRET or --ami-secret-file"
        )
    return value


@app.command("asterisk")
def _asterisk(
    context: typer.Context,
    ami: Annotated[
        str | None, typer.Option(metavar="HOST[:PORT]", help="The manager interface.")
    ] = None,
    ami_user: Annotated[
        str | None, typer.Option(metavar="NAME", help="A user of manager.conf.")
    ] = None,
    ami_secret_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The user's secret, on the file's first line; else FLOORCAST_AMI_SECRET, else it"
            " is asked for.",
        ),
    ] = None,
    ami_secret: Annotated[
        str | None, typer.Option(hidden=True, callback=_not_on_a_command_line)
    ] = None,
    queue_log: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The queue log, with AMI or instead of it."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Names this Asterisk in ids; never change it."),
    ] = None,
    key: Annotated[str | None, typer.Option(help="An ingest key: it decides the client.")] = None,
    key_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="The key, on the file's first line.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="The server.")] = None,
    spool: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="What is not sent yet is kept here. [connect.db]"),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            formats=["%Y-%m-%dT%H:%M:%SZ"],
            metavar="YYYY-MM-DDTHH:MM:SSZ",
            help="Take lines of the queue log from this time on; without it, of the last 26 hours.",
        ),
    ] = None,
    record: Annotated[
        str | None, typer.Option(metavar="FILE", help="Also write what is read to this file.")
    ] = None,
    metrics_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Answer Prometheus on this port.")
    ] = None,
    metrics_host: Annotated[
        str | None, typer.Option(metavar="HOST", help="The port's address. [127.0.0.1]")
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Log in, show queues, members and callers, and exit."),
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Send the queues and agents of an Asterisk to a server, as they happen.

    Reads AMI (--ami), the queue log (--queue-log), or both. Runs until it is told to stop (Ctrl-C,
    SIGTERM); nothing is lost or counted twice however it, Asterisk or the server end.
    """
    flags: dict[str, object] = {
        "ami": ami,
        "ami_user": ami_user,
        "ami_secret_file": ami_secret_file,
        "queue_log": queue_log,
        "source": source,
        "key": key,
        "key_file": key_file,
        "url": url,
        "spool": spool,
        "record": record,
        "metrics_port": metrics_port,
        "metrics_host": metrics_host,
    }
    _ = ami_secret  # read from the environment: see _run
    _run(context, config or context.obj, flags, check=check, since=since)


def _run(
    context: typer.Context,
    config: Path | None,
    flags: dict[str, object],
    *,
    check: bool,
    since: datetime | None,
) -> None:
    environ = dict(os.environ)
    named = environ.pop("FLOORCAST_CONFIG", None)
    config = config or (Path(named) if named else None)
    names = {*ConnectFile.__struct_fields__, *AsteriskTable.__struct_fields__}
    everywhere = given_everywhere(flags, environ=environ, known=options.known(context))
    values = {name: one.value for name, one in everywhere.items() if name in names}
    secret = everywhere.get("ami_secret")
    settings = read_connect_file(config, values)
    table = settings.asterisk
    if table is None or not (table.ami or table.queue_log):
        raise SettingError("nothing to read: give --ami, --queue-log, or a connect.toml with them")
    address = _address(table, None if secret is None else str(secret.value))
    if check:
        _check(table, address)
        return
    set_up_log("info", "auto")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs each request
    begin = since.replace(tzinfo=UTC).timestamp() if since else None
    source = Source(
        ami=address,
        queue_log=Path(table.queue_log) if table.queue_log else None,
        since=begin,
        record=Path(settings.record) if settings.record else None,
    )
    health = Health()
    if settings.metrics_port:
        health.serve(settings.metrics_port, settings.metrics_host)
    _until_told_to_stop(_work(settings, table, source, health))


async def _work(
    settings: ConnectFile, table: AsteriskTable, source: Source, health: Health
) -> None:
    key = settings.key or (read_secret(settings.key_file) if settings.key_file else "")
    if not key:
        raise SettingError("an ingest key is needed: --key, FLOORCAST_KEY or --key-file")
    with Spool(Path(settings.spool)) as spool:
        connector = AsteriskConnector(source, table.mapping(), spool, health)
        forwarder = connector.forwarder()
        timing = Timing(patience=inf, waiting=forwarder.waits)
        async with AsyncSender(settings.url, key, timing=timing) as sender:
            await connector.run(sender, forwarder)


def _until_told_to_stop(work: Coroutine[Any, Any, None]) -> None:
    """Run until SIGTERM or SIGINT, or until it raises; a FloorcastError out of several."""

    async def main() -> None:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            return

    try:
        asyncio.run(main())
    except* FloorcastError as several:
        found: BaseException = several
        while isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        raise found from None


def _address(table: AsteriskTable, secret: str | None) -> AmiAddress | None:
    if not table.ami:
        return None
    host, colon, port = table.ami.rpartition(":")
    if not colon:
        host, port = table.ami, str(DEFAULT_PORT)
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise SettingError(f"--ami must be HOST[:PORT], not {table.ami!r}")
    if not table.ami_user:
        raise SettingError("--ami-user must be given with --ami")
    if secret is None and table.ami_secret_file:
        secret = read_secret(table.ami_secret_file)
    if secret is None and sys.stdin.isatty():
        secret = typer.prompt("Secret", hide_input=True, err=True)
    if not secret:
        raise SettingError("the AMI user's secret is needed: FLOORCAST_AMI_SECRET or a file")
    return AmiAddress(host, int(port), table.ami_user, secret)


def _check(table: AsteriskTable, address: AmiAddress | None) -> None:
    if table.queue_log:
        log = Path(table.queue_log)
        readable = log.is_file() and os.access(log, os.R_OK)
        print(f"queue log {log}: {'can be read' if readable else 'CANNOT be read'}")
        if not readable:
            raise typer.Exit(1)
    if address is None:
        return
    found = asyncio.run(check_ami(address, table.mapping(), time.time()))
    for title, heading, rows in found:
        print(f"\n{title}")
        for line in aligned([heading, *rows]):
            print(f"  {line}")
    print("\nThe read rights call, agent and user cannot be asked for: docs/connect-asterisk.md.")
    if found[-1][0] == "Missing rights":
        raise typer.Exit(1)
