"""Reads the settings of connectors of every kind, prints their checks, and runs them."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Any, Protocol

import structlog
import typer

from floorcast.cli import options
from floorcast.cli.connect_options import ConnectOptions
from floorcast.cli.tables import print_table
from floorcast.client import AsyncSender, Timing
from floorcast.client.address import check_address
from floorcast.config.sources import read_sources
from floorcast.connectors.connect_file import ConnectFile, Kind, read_connect_file, read_secret
from floorcast.connectors.forwarder import Forwarder
from floorcast.connectors.metrics import ConnectorMetrics
from floorcast.connectors.pbx.check_tables import MISSING_RIGHTS, CheckTable
from floorcast.connectors.spool import Spool
from floorcast.model.errors import FloorcastError, SettingError
from floorcast.server.logging import set_up_log
from floorcast.server.signals import handle_hangup, ignoring_signals_at_exit

__all__ = [
    "Connector",
    "checking_key",
    "parse_address",
    "print_tables",
    "read_settings",
    "resolve_secret",
    "run_connector",
]


_log = structlog.get_logger("floorcast.connect")

OTHERS = 0o077  # the permissions of a file for users other than its owner
CHECK_SECONDS = 5.0  # how long ``--check`` waits for a server that is not available
CONNECTOR_SECRETS = frozenset({"ami_secret", "esl_password", "password", "api_token"})


class Connector(Protocol):
    """Reads a source into a spool."""

    def forwarder(self) -> Forwarder:
        """Return the forwarder, which sends events from the connector's spool."""

    async def run(self, sender: AsyncSender, forwarder: Forwarder) -> None:
        """Read events and send them until cancelled."""


def read_settings(
    context: typer.Context, given: ConnectOptions, kind: Kind | None
) -> tuple[ConnectFile, dict[str, str]]:
    """Read the settings from the file, the environment and the options.

    Returns them with the secrets from the environment. If ``kind`` is None, the file determines
    the kind of connector. Raises SettingError.
    """
    environ = dict(os.environ)
    named = environ.pop("FLOORCAST_CONFIG", None)
    _reject_empty_options(context)
    sourced = read_sources(given.settings(), environ=environ, known=options.known_options(context))
    values = {name: one.value for name, one in sourced.items()}
    config: Path | None = given.config or context.obj or (Path(named) if named else None)
    settings = read_connect_file(config, values, kind)
    if settings.key and config and "key" not in values and config.stat().st_mode & OTHERS:
        typer.echo(
            f"floorcast: warning: {config} holds the ingest key and can be read by others:"
            f" chmod 600 {config}",
            err=True,
        )
    return settings, {name: str(values[name]) for name in CONNECTOR_SECRETS if name in values}


def _reject_empty_options(context: typer.Context) -> None:
    """Raise SettingError for an option with an empty value, such as an unset shell variable."""
    for one in context.command.params:
        value = context.params.get(one.name or "")
        if isinstance(value, str) and not value.strip():
            raise SettingError(f"{one.opts[0]} is empty: give a value, or leave the option out")


def parse_address(option: str, text: str, default_port: int) -> tuple[str, int]:
    """Return the host and the port in ``HOST[:PORT]``. Raises SettingError."""
    if "@" in text:  # the text may hold a password, and is not shown
        raise SettingError(f"{option} must be HOST[:PORT], without a user or a password")
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = text, str(default_port)
    if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise SettingError(f"{option} must be HOST[:PORT], not {text!r}")
    return host, int(port)


def resolve_secret(given: str | None, file: str, what: str, variable: str) -> str:
    """Return a secret from the environment, a file or a prompt. Raises SettingError."""
    secret = given
    if secret is None and file:
        secret = read_secret(file)
    if secret is None and sys.stdin.isatty():
        secret = typer.prompt(what.capitalize(), hide_input=True, err=True)
    if not secret:
        raise SettingError(f"{what} is required: set {_variable(variable)}, or name a file")
    if not secret.isprintable():  # a line break would begin another command
        raise SettingError(f"{what} must be one line of printable characters")
    return secret


def _variable(name: str) -> str:
    """Return the name of an environment variable, with a note if the variable is empty."""
    return f"{name} (which is empty)" if name in os.environ else name


@contextmanager
def checking_key(settings: ConnectFile) -> Iterator[None]:
    """Print whether the server accepts the ingest key, if there is one, and then run the block.

    If the server does not, exits with 1 after the block. Raises SettingError.
    """
    check_address(settings.url)  # before it is printed, because it may hold a password
    key = _ingest_key(settings)
    is_accepted = not key or _accepts_key(settings.url, key)
    yield
    if not is_accepted:
        raise typer.Exit(1)


def _accepts_key(url: str, key: str) -> bool:
    """Print whether a server accepts an ingest key, and return it."""

    async def ask() -> None:
        timing = Timing(patience=CHECK_SECONDS)
        async with AsyncSender(url, key, timing=timing) as sender:
            await sender.check_key()

    try:
        asyncio.run(ask())
    except FloorcastError as error:
        print(f"ingest key: NOT accepted by {url}: {error}")
        return False
    print(f"ingest key: accepted by {url}")
    return True


def _ingest_key(settings: ConnectFile) -> str:
    return settings.key or (read_secret(settings.key_file) if settings.key_file else "")


def print_tables(tables: Sequence[CheckTable], note: str = "") -> None:
    """Print the findings of ``--check``, and exit with 1 if a required permission is missing."""
    for title, heading, rows in tables:
        print(f"\n{title}")
        print_table(heading, rows, empty="none", indent="  ")
    if note:
        print(f"\n{note}")
    if tables[-1][0] == MISSING_RIGHTS:
        raise typer.Exit(1)


def run_connector(
    settings: ConnectFile, reads: str, create: Callable[[Spool, ConnectorMetrics], Connector]
) -> None:
    """Run a connector until SIGTERM or SIGINT, or until it raises an error.

    SIGHUP stops it only if its terminal was closed.

    ``reads`` describes the source in the log line that is written when the connector starts.
    """
    set_up_log("info", "auto")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs each request
    metrics = ConnectorMetrics()
    if settings.metrics_port:
        metrics.serve(settings.metrics_port, settings.metrics_host)
    _run_until_signal(_run(settings, reads, create, metrics))


async def _run(
    settings: ConnectFile,
    reads: str,
    create: Callable[[Spool, ConnectorMetrics], Connector],
    metrics: ConnectorMetrics,
) -> None:
    check_address(settings.url)  # before it is logged, because it may hold a password
    key = _ingest_key(settings)
    if not key:
        variable = _variable("FLOORCAST_KEY")
        raise SettingError(f"an ingest key is required: set {variable}, --key-file or --key")
    with Spool(Path(settings.spool)) as spool:
        _log.info(
            "the connector starts",
            reads=reads,
            sends_to=settings.url,
            spool=settings.spool,
            unsent=spool.unsent,
        )
        connector = create(spool, metrics)
        forwarder = connector.forwarder()
        timing = Timing(patience=inf, waiting=forwarder.on_waiting)
        async with AsyncSender(settings.url, key, timing=timing) as sender:
            await connector.run(sender, forwarder)


def _log_nothing_to_reload() -> None:
    _log.info("SIGHUP: there is nothing to reload; after a change to the settings, restart")


def _run_until_signal(work: Coroutine[Any, Any, None]) -> None:
    """Run ``work`` until SIGTERM or SIGINT, or until it raises an error.

    If it raises several FloorcastErrors at once, the first one is raised.
    """

    async def main() -> None:
        task = asyncio.ensure_future(work)

        def stop() -> None:
            if not task.cancelling():  # a second signal would interrupt the end of the work
                task.cancel()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        handle_hangup(_log_nothing_to_reload, stop)
        try:
            await task
        except asyncio.CancelledError:
            return

    try:
        with ignoring_signals_at_exit() as finish, asyncio.Runner() as runner:
            runner.run(main())
            finish()
    except* FloorcastError as several:
        found: BaseException = several
        while isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        raise found from None
