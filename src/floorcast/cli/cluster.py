"""``floorcast cluster``: inspects, imports, exports, repairs and configures a cluster."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from floorcast.cli.options import known_options
from floorcast.cli.progress_bar import ProgressDisplay, show_progress
from floorcast.cli.tables import print_table
from floorcast.config.settings import SETTINGS, Settings
from floorcast.config.sources import load
from floorcast.model.errors import SettingError

__all__ = ["app", "register"]

app = typer.Typer(
    help="Set up, inspect and repair a cluster on NATS JetStream.", no_args_is_help=True
)

HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")  # needs no quotes in NATS
NODES = ("node", "state", "clients", "entries behind", "ms behind", "disk")
STREAMS = ("stream", "leader", "replicas in step", "messages", "disk of each")


def _log_option(cluster: str) -> Any:  # noqa: ANN401 -- as typer.Option
    """Return the option ``--log`` with the cluster's role in the command."""
    return typer.Option(
        metavar="NATS-URL", help=f"{cluster}, nats://HOST,HOST,….", show_default=False
    )


def _data_option(folder: str) -> Any:  # noqa: ANN401 -- as typer.Option
    """Return the option ``--data`` with the folder's role in the command."""
    default = SETTINGS["data"].default
    return typer.Option(metavar="DIR", help=f"{folder}. [default: {default}]", show_default=False)


StreamsOption = Annotated[
    str | None, typer.Option(metavar="N", help=SETTINGS["streams"].help, show_default=False)
]
ReplicasOption = Annotated[
    str | None, typer.Option(metavar="N", help=SETTINGS["replicas"].help, show_default=False)
]


def register(program: typer.Typer) -> None:
    """Add the commands to the program."""
    program.add_typer(app, name="cluster")


@app.command("status")
def status(
    context: typer.Context,
    log: Annotated[str | None, _log_option("The cluster to inspect")] = None,
) -> None:
    """Print the nodes, the streams and all problems.

    Prints the nodes that respond, and how far behind each is. Exits with 1 if there is a problem:
    no node responds, a node is not ready or is behind, a stream has no quorum or a replica that is
    behind, two nodes have the same name, or the NATS servers flush too late or accept
    unauthenticated connections.
    """
    settings = _settings(context, log=log)
    import asyncio

    from floorcast.cluster.status import node_status, query_status

    found = asyncio.run(query_status(settings.log))
    nodes = [
        (
            node.name,
            node_status(node),
            node.clients or "all",
            f"{sum(each.lag for each in node.following):,}",
            f"{max((each.behind_ms for each in node.following), default=0):,}",
            _mib(node.disk_bytes),
        )
        for node in found.nodes
    ]
    streams = [
        (
            one.name,
            one.leader or "none: no quorum",
            f"{one.up_to_date} of {one.replicas}",
            f"{one.messages:,}",
            _mib(one.disk_bytes),
        )
        for one in found.streams
    ]
    print_table(NODES, nodes, empty="no nodes; start one: floorcast serve --log …")
    print()
    print_table(STREAMS, streams, empty="no streams; the first node creates them")
    if found.problems:
        print()
        print("\n".join(f"problem: {problem}" for problem in found.problems))
        raise typer.Exit(1)


@app.command("config")
def config(
    servers: Annotated[
        list[str], typer.Argument(metavar="HOST…", help="The hosts of the NATS servers.")
    ],
) -> None:
    """Print configurations for new NATS servers.

    Prints one for each server of a new cluster, with new passwords. For TLS, each server needs
    server.pem, server.key and ca.pem in /etc/nats.
    """
    from floorcast.cluster.nats_config import Ports, nats_config, new_secrets

    for server in servers:
        if not HOST_NAME.fullmatch(server) or servers.count(server) > 1:
            problem = "is given twice" if servers.count(server) > 1 else "is not a host name"
            raise typer.BadParameter(f"{server!r} {problem}", param_hint="HOST…")
    passwords = new_secrets()
    for server in servers:
        print(f"# nats.conf of {server}")
        print(nats_config(server, [(host, Ports().routes) for host in servers], passwords))
    print("# the nodes' environment")
    print(f"FLOORCAST_LOG='tls://floorcast:{passwords.floorcast}@{','.join(servers)}'")


@app.command("import")
def import_(
    context: typer.Context,
    data: Annotated[Path | None, _data_option("The embedded data folder")] = None,
    log: Annotated[str | None, _log_option("The new, empty cluster")] = None,
    streams: StreamsOption = None,
    replicas: ReplicasOption = None,
) -> None:
    """Convert a data folder to a cluster's first node.

    The cluster must be new. The server that uses the folder must be stopped first. All events,
    tokens and sessions are kept. The other nodes then copy this node.
    """
    settings = _settings(context, data=data, log=log, streams=streams, replicas=replicas)
    import asyncio

    from floorcast.cluster.migrate import import_folder

    with _progress("keys") as report:
        moved = asyncio.run(import_folder(settings, report))
    print(
        f"{settings.data} is now the folder of the first node (moved {moved.keys:,} keys of the"
        f" site and its sessions); start it: floorcast serve --data {settings.data} --log …"
        f" --streams {moved.streams}"
    )


@app.command("export")
def export(
    context: typer.Context,
    data: Annotated[Path | None, _data_option("The stopped node's folder")] = None,
    log: Annotated[str | None, _log_option("The cluster that the node belongs to")] = None,
) -> None:
    """Convert a node's folder back to a data folder.

    The folder is then embedded again. All nodes must be stopped. All events, tokens and sessions
    are kept.
    """
    settings = _settings(context, data=data, log=log)
    import asyncio

    from floorcast.cluster.migrate import export_cluster

    with _progress("keys") as report:
        moved = asyncio.run(export_cluster(settings, report))
    print(
        f"{settings.data} is now an embedded data folder (moved {moved.keys:,} keys of the site"
        f" and its sessions); start it: floorcast serve --data {settings.data}"
    )


@app.command("repair")
def repair_(
    context: typer.Context,
    data: Annotated[Path | None, _data_option("The stopped node's folder")] = None,
    log: Annotated[str | None, _log_option("The cluster to repair")] = None,
    replicas: ReplicasOption = None,
) -> None:
    """Restore data that the cluster has lost.

    Restores it to the cluster's streams from a stopped node's folder. First run the command on the
    most complete folder and start its node, which the other nodes then copy. After that, run it on
    any other folder that may have events that the first one lacks.
    """
    settings = _settings(context, data=data, log=log, replicas=replicas)
    import asyncio

    from floorcast.cluster.repair import repair

    with _progress("entries") as report:
        done = asyncio.run(repair(settings, report))
    if done.streams:
        print(f"{', '.join(done.streams)} now continue from {settings.data}: start its node first")
    if done.keys:
        print(f"restored {done.keys:,} keys of the site, users and sessions")
    if done.events:
        print(f"restored {done.events:,} events; events that the cluster already had count once")
    if not any(done):
        print("nothing to restore: the cluster already has all the data in this folder")


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Return a function that shows the number done and the total, once the total is known."""
    with ExitStack() as stack:

        @cache
        def display(total: int) -> ProgressDisplay:
            return stack.enter_context(show_progress(total, what))

        yield lambda done, total: display(total).update(done)


def _settings(context: typer.Context, **given: object) -> Settings:
    from floorcast.server.logging import set_up_log
    from floorcast.server.stores import require_nats

    settings = load(given, known=known_options(context))
    if settings.log == "embedded":
        raise SettingError("name the cluster with --log nats://HOST,HOST,…")
    require_nats()
    set_up_log("error", settings.log_format)
    return settings


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
