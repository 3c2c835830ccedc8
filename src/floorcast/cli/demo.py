"""``floorcast demo``: a server with an example site and a made-up floor at work on it."""

from __future__ import annotations

import tempfile
import threading
from datetime import UTC, datetime, time, timedelta
from importlib.resources import as_file, files

import typer

from floorcast.cli.replay import replay
from floorcast.cli.serve import Read, with_settings
from floorcast.errors import FloorcastError
from floorcast.serve.telling import set_up_log
from floorcast.serve.transport import serve
from floorcast.sources.call_records import Shift, events
from floorcast.sources.cloud_event import CloudEvent
from floorcast.sources.generated_day import generate
from floorcast.token import TICKS_PER_SECOND, encode, system_now

__all__ = ["floor_at_work", "register"]

SEED = 1999
NOON = time(12)  # the made-up day's clock when the demo starts: as busy as it gets

SHOWN = 60  # seconds back from the start that the printed token reaches
API_TOKEN = "example-api-token-change-me"  # noqa: S105 — of the example site, which is public
INGEST_KEY = "example-ingest-key-change-me"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("demo")(with_settings(_demo))


def floor_at_work(now: datetime, seed: int = SEED) -> tuple[list[CloudEvent], list[CloudEvent]]:
    """A made-up day that is at noon ``now`` (aware): what has happened, and what will."""
    calls = generate(now.date(), seed)
    noon = datetime.combine(now.date(), NOON)
    told = events(calls, Shift(timedelta(), lambda clock: now + (clock - noon)), "demo")
    done = sum(event.time <= now for event in told)
    return told[:done], told[done:]


def _demo(read: Read) -> None:
    """Run a server with an example site and a floor at work, until Ctrl-C.

    Takes the options of serve. Everything lies in a folder that is removed afterwards, unless
    --data names one.
    """
    with (
        tempfile.TemporaryDirectory(prefix="floorcast-demo-") as folder,
        as_file(files("floorcast") / "example_site.toml") as site,
    ):
        settings = read(data=folder, site=str(site), log_level="warning")
        set_up_log(settings.log_level, settings.log_format)
        serve(settings, _open_for_work)


def _open_for_work(address: str) -> None:
    since = encode(0, system_now() - SHOWN * TICKS_PER_SECOND, 0)
    said = {"address": address, "token": API_TOKEN, "key": INGEST_KEY, "since": since}
    print(_GREETING.format(**said), flush=True)
    threading.Thread(target=_work, args=(address,), name="demo-floor", daemon=True).start()


def _work(address: str) -> None:
    past, coming = floor_at_work(datetime.now(UTC))
    try:
        totals = replay(past, address, INGEST_KEY)
        print(f"the floor's day so far: {totals}; now it goes on in real time", flush=True)
        replay(coming, address, INGEST_KEY, speed=1.0)
        print("the floor's day is over; start the demo again for another", flush=True)
    except FloorcastError as error:
        print(f"the demo's floor stopped: {error}", flush=True)


_GREETING = """\
floorcast answers at {address}

  client      ACME
  user        reports
  password    example-reports-password
  API token   {token}
  ingest key  {key}

Log in from another terminal, then ask for what has happened on the floor:

  SESSION=$(curl -s {address}/session/login -H 'LV-Access: {token}' \\
    -d '{{"clientName": "ACME", "userName": "reports", "password": "example-reports-password"}}' \\
    | python3 -c 'import json, sys; print(json.load(sys.stdin)["sessionId"])')
  curl -s {address}/realtime/event/feed -H "LV-Session: $SESSION" -d '{{"token": "{since}"}}'
  curl -s {address}/realtime/agentEvent/feed -H "LV-Session: $SESSION" -d '{{"token": "{since}"}}'

Each answer ends in a token: send it in place of the one above for what has happened since.
Ctrl-C ends the demo.
"""
