"""``floorcast connect``: sends the events of a source's queues and agents as they happen."""

from __future__ import annotations

import os

import typer

from floorcast.cli.connect_asterisk import connect_asterisk, run_asterisk
from floorcast.cli.connect_freeswitch import connect_freeswitch, run_freeswitch
from floorcast.cli.connect_livevox import connect_livevox, run_livevox
from floorcast.cli.connect_options import ConfigOption, ConnectOptions

__all__ = ["app", "register"]

app = typer.Typer(
    help="Connect a PBX, or another server with this API.", invoke_without_command=True
)
app.command("asterisk")(connect_asterisk)
app.command("freeswitch")(connect_freeswitch)
app.command("livevox")(connect_livevox)


def register(program: typer.Typer) -> None:
    """Add the commands to the program."""
    program.add_typer(app, name="connect")


@app.callback()
def _connect_from_file(context: typer.Context, config: ConfigOption = None) -> None:
    """Connect the source that a connect.toml describes, unless a subcommand is given."""
    if context.invoked_subcommand:
        context.obj = config
        return
    if config is None and "FLOORCAST_CONFIG" not in os.environ:
        print(context.get_help())
        raise typer.Exit(2)
    from floorcast.cli.connector_setup import read_settings

    settings, secrets = read_settings(context, ConnectOptions(config=config), None)
    if settings.freeswitch is not None:
        run_freeswitch(settings, secrets)
    elif settings.livevox is not None:
        run_livevox(settings, secrets)
    else:
        run_asterisk(settings, secrets)
