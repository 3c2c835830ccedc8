"""``floorcast demo``: runs an example site with a simulated floor, without any setup."""

from __future__ import annotations

import tempfile
from importlib.resources import as_file, files

import typer

from floorcast.cli.serve import SettingsReader, with_settings
from floorcast.model.errors import SettingError

__all__ = ["register"]

HELP_TEXTS = {
    "data": "The folder for the demo's data. Default: a temporary folder, removed at the end.",
    "site": "The site file to run. Default: the example site.",
    "log_level": "The lowest level that the server logs. Default: warning.",
}


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("demo")(with_settings(_demo, help_texts=HELP_TEXTS))


def _demo(read: SettingsReader) -> None:
    """Run an example site with a simulated floor, until Ctrl-C.

    Accepts the options of serve. The data folder is temporary and removed at the end. If --data
    names a folder, it is kept, and the floor continues there at the next start.
    """
    from floorcast.auth.networks import is_loopback
    from floorcast.cli.demo_floor import SIGN_IN, DemoFloor
    from floorcast.server.logging import set_up_log
    from floorcast.server.uvicorn_server import serve

    with (
        tempfile.TemporaryDirectory(prefix="floorcast-demo-") as folder,
        as_file(files("floorcast") / "example_site.toml") as site,
    ):
        settings = read(data=folder, site=str(site), log_level="warning")
        if not is_loopback(settings.host):
            raise SettingError(
                f"host {settings.host}: the demo's passwords and keys are published, so it listens"
                " on loopback only (127.0.0.1)"
            )
        set_up_log(settings.log_level, settings.log_format)
        floor = DemoFloor(settings.data)
        serve(settings, floor.open, before_stop=floor.close, sign_in=SIGN_IN)
