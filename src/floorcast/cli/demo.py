"""``floorcast demo``: runs an example site with a simulated floor, without any setup."""

from __future__ import annotations

import tempfile
from importlib.resources import as_file, files
from pathlib import Path

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
    names a folder, it is kept, and the floor continues there at the next start. A site file must
    declare the example site's client, user, API token and ingest key.
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
        if settings.site is not None and settings.site != site:
            _require_example(settings.site)
        set_up_log(settings.log_level, settings.log_format)
        floor = DemoFloor(settings.data)
        serve(settings, floor.open, before_stop=floor.close, sign_in=SIGN_IN)


def _require_example(site: Path) -> None:
    """Raise SettingError if the demo's user cannot log in to a site, or its floor cannot send."""
    from floorcast.cli.demo_floor import API_TOKEN, INGEST_KEY, SIGN_IN
    from floorcast.site.file_reader import read

    for client in read(site).clients:
        users = {user.name: user.password for user in client.user}
        if (
            client.name == SIGN_IN["clientName"]
            and users.get(SIGN_IN["userName"]) == SIGN_IN["password"]
            and API_TOKEN in client.api_tokens
            and INGEST_KEY in client.ingest_keys
        ):
            return
    raise SettingError(
        f"{site}: the demo needs the example site's client ACME with its user, API token and ingest"
        " key; to run your own site, use floorcast serve --site"
    )
