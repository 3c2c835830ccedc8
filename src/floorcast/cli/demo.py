"""``floorcast demo``: a server with an example site and a simulated floor at work on it."""

from __future__ import annotations

import tempfile
import threading
from datetime import UTC, datetime, timedelta
from importlib.resources import as_file, files

import typer

from floorcast.auth.networks import is_loopback
from floorcast.cli.replay import MAX_SPEED, MAX_WAIT_SECONDS
from floorcast.cli.serve import Read, with_settings
from floorcast.cli.simulation_run import Pace, SimulationRun
from floorcast.client import Sender, Timing
from floorcast.model.errors import FloorcastError, SettingError
from floorcast.model.token import TICKS_PER_SECOND, encode, system_now
from floorcast.server.logging import set_up_log
from floorcast.server.uvicorn_server import serve
from floorcast.simulator.faults import Faults, Wire
from floorcast.simulator.floor_sizing import floor_of
from floorcast.simulator.simulation import Simulation

__all__ = ["register"]

AGENTS, SEED = 120, 1999
SO_FAR = timedelta(hours=2)  # of the floor's day, when the demo starts
BEGAN = 9.5 * 3600  # the floor's own clock then, in seconds: it is busy whenever one looks

SOON = 1.0  # seconds, within which a wait is not worth a word
SHOWN = 60  # seconds back from the start that the printed token reaches
API_TOKEN = "example-api-token-change-me"  # noqa: S105 — of the example site, which is public
INGEST_KEY = "example-ingest-key-change-me"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("demo")(with_settings(_demo))


def _demo(read: Read) -> None:
    """Run an example site with a floor at work, until Ctrl-C.

    Takes the options of serve. Everything lies in a folder that is removed afterwards, unless
    --data names one.
    """
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
        serve(settings, _open_for_work)


def _open_for_work(address: str) -> None:
    since = encode(0, system_now() - SHOWN * TICKS_PER_SECOND, 0)
    said = {"address": address, "token": API_TOKEN, "key": INGEST_KEY, "since": since}
    print(_GREETING.format(**said), flush=True)
    threading.Thread(target=_work, args=(address,), name="demo-floor", daemon=True).start()


def _work(address: str) -> None:
    start = datetime.now(UTC) - SO_FAR
    plan = floor_of(AGENTS, seed=SEED)
    floor = Simulation(plan, seed=SEED, start=start, begins_at=BEGAN)
    so_far = SO_FAR / timedelta(milliseconds=1)
    try:
        timing = Timing(patience=MAX_WAIT_SECONDS, waiting=_say)
        with Sender(address, INGEST_KEY, timing=timing) as sender:
            work = SimulationRun(floor, Wire(Faults(), SEED, start), sender, threading.Event())
            work.go_on(Pace(MAX_SPEED, behind=so_far), so_far)
            print(f"the floor's day so far: {work.totals}; now it goes on in real time", flush=True)
            behind = (datetime.now(UTC) - start) / timedelta(milliseconds=1)
            work.go_on(Pace(MAX_SPEED, behind))
    except FloorcastError as error:
        print(f"the demo's floor stopped: {error}", flush=True)


def _say(seconds: float, why: str) -> None:
    if seconds > SOON:  # else it may be that the demo ends
        print(f"the demo's floor waits: {why}; again in {seconds:.1f} s", flush=True)


_GREETING = """\
floorcast answers at {address}

  wallboard   {address}/wallboard

  client      ACME
  user        reports
  password    example-reports-password
  API token   {token}
  ingest key  {key}

Sign in to the wallboard with client, user, password and API token. Or, from another terminal,
log in, then ask how the floor is doing and what happens on it:

  SESSION=$(curl -s {address}/session/login -H 'LV-Access: {token}' \\
    -d '{{"clientName": "ACME", "userName": "reports", "password": "example-reports-password"}}' \\
    | python3 -c 'import json, sys; print(json.load(sys.stdin)["sessionId"])')
  curl -s {address}/realtime/service/stats -H "LV-Session: $SESSION" -d '{{}}'
  curl -s {address}/realtime/event/feed -H "LV-Session: $SESSION" -d '{{"token": "{since}"}}'
  curl -s {address}/realtime/agentEvent/feed -H "LV-Session: $SESSION" -d '{{"token": "{since}"}}'

A feed's answer ends in a token: send it in place of the one above for what has happened since.
Ctrl-C ends the demo.
"""
