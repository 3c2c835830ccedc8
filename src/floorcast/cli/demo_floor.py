"""The demo's floor, which starts two hours in the past and closes when the demo ends.

A run is one simulation. Its start and its progress are stored in the data folder. If a run was
killed, the next demo in the same folder closes it and begins where it ended, so that two floors
never run at once.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from floorcast.cli.progress_bar import wait_line
from floorcast.cli.replay import MAX_SPEED, MAX_WAIT_SECONDS
from floorcast.cli.simulation_run import FloorPace, SimulationRun
from floorcast.cli.status_line import print_status
from floorcast.client import Sender, Timing
from floorcast.kv.folder import IN_MEMORY
from floorcast.model.errors import FloorcastError
from floorcast.model.token import (
    TICKS_PER_MS,
    TICKS_PER_SECOND,
    Now,
    encode,
    monotonic_now,
    system_now,
)
from floorcast.model.undecodable import UNDECODABLE
from floorcast.simulator.faults import FaultInjector, Faults
from floorcast.simulator.floor_sizing import plan_floor
from floorcast.simulator.simulation import Simulation

__all__ = ["AGENTS", "API_TOKEN", "INGEST_KEY", "SEED", "SIGN_IN", "DemoClock", "DemoFloor"]

AGENTS, SEED = 120, 1999
HEAD_START = timedelta(hours=2)  # how far in the past the floor starts
MAX_RUN_AGE = timedelta(hours=12)  # a run that was killed longer ago is not closed
# The floor's own time of day at the start, in seconds, so that it is busy whenever it runs.
START_OF_DAY_SECONDS = 9.5 * 3600
FILE_NAME = "demo-floor.json"
MS = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Between two writes of the progress, on the floor's clock. After a kill, the next run leaves the
# calls open that began after the last write.
SAVE_INTERVAL_MS = 1_000

SHORT_WAIT_SECONDS = 1.0  # seconds; shorter waits are not reported
CLOSING_SECONDS = 15  # the time limit for sending the last events
MAX_AHEAD_SECONDS = 240  # the server rejects events that are more than 300 s in the future
TOKEN_AGE_SECONDS = 60  # the age of the printed token at the start
API_TOKEN = "example-api-token-change-me"  # noqa: S105 — from the example site, which is public
SIGN_IN = {
    "clientName": "ACME",
    "userName": "reports",
    "password": "example-reports-password",
    "apiToken": API_TOKEN,
}
INGEST_KEY = "example-ingest-key-change-me"


class DemoClock:
    """The time for which a floor is due. It follows the monotonic clock ``monotonic``.

    If the wall clock ``now`` is set ahead, the floor does not jump. If it is set back, the floor
    waits before its events are so far in the future that the server rejects them.
    """

    def __init__(self, now: Now = system_now, monotonic: Now = monotonic_now) -> None:
        self._now, self._monotonic = now, monotonic
        self._began, self._began_at = now(), monotonic()

    @property
    def began(self) -> datetime:
        """The time at which the clock was created."""
        return _EPOCH + timedelta(microseconds=self._began // 10)

    def due_ms(self, start: datetime) -> float:
        """Return how long after ``start`` the floor's clock should be, in ms."""
        elapsed = self._monotonic() - self._began_at
        ahead = self._began + elapsed - self._now()
        due = elapsed - max(0, ahead - MAX_AHEAD_SECONDS * TICKS_PER_SECOND)
        return (self.began - start) / MS + due / TICKS_PER_MS


class DemoRun(msgspec.Struct):
    """The start of a run, its progress in ms, and whether its floor was closed.

    A run may have sent all events before ``reached``, and none after it.
    """

    start: datetime
    reached: int = 0
    closed: bool = False


class DemoFloor:
    """The floor of a demo that runs in a data folder."""

    def __init__(self, folder: Path) -> None:
        self._file = None if folder == IN_MEMORY else folder / FILE_NAME
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self, address: str) -> None:
        """Print how to log in, and run the floor in a separate thread."""
        since = encode(0, system_now() - TOKEN_AGE_SECONDS * TICKS_PER_SECOND, 0)
        values = {"address": address, "token": API_TOKEN, "key": INGEST_KEY, "since": since}
        print_status(_GREETING.format(**values))
        self._thread = threading.Thread(
            target=self._run, args=(address,), name="demo-floor", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """End every call, log every agent off, and wait until the server has these events."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(CLOSING_SECONDS)

    def _run(self, address: str) -> None:
        timing = Timing(patience=MAX_WAIT_SECONDS, waiting=_print_wait)
        try:
            with Sender(address, INGEST_KEY, timing=timing) as sender:
                self._simulate(sender)
        except FloorcastError as error:
            print_status(f"the demo's floor stopped: {error}")

    def _simulate(self, sender: Sender) -> None:
        before = self._last_run()
        if before is not None:
            ended = before.start + before.reached * MS
            self._wait_until(ended)
        clock = DemoClock()
        now = clock.began
        start = now - HEAD_START
        if before is not None:
            if not before.closed and now - ended < MAX_RUN_AGE:
                self._close_killed(before, sender)
            start = min(max(start, ended), now)
        floor = _floor(start)
        work = SimulationRun(floor, FaultInjector(Faults(), SEED, start), sender, self._stopping)
        run = DemoRun(start)
        head_start = (now - start) // MS
        self._save_progress(run, head_start)
        work.run_until(FloorPace(MAX_SPEED, behind=head_start), head_start)
        print_status(f"simulated up to now: {work.totals}; the floor continues in real time")
        while not self._stopping.is_set():
            until = floor.now + SAVE_INTERVAL_MS
            self._save_progress(run, until)
            work.run_until(FloorPace(MAX_SPEED, clock.due_ms(start)), until)
        work.close()
        run.closed = True
        self._save_progress(run, floor.now)

    def _wait_until(self, ended: datetime) -> None:
        """Wait until the last run's last events are in the past, which takes a second at most."""
        seconds = (ended - DemoClock().began).total_seconds()
        if 0 < seconds <= SAVE_INTERVAL_MS / 1000:
            self._stopping.wait(seconds)

    def _close_killed(self, run: DemoRun, sender: Sender) -> None:
        """Send the events that a killed run would have sent when it closed.

        The run's earlier events are sent again, and the server recognizes them as duplicates.
        """
        floor = _floor(run.start)
        work = SimulationRun(
            floor, FaultInjector(Faults(), SEED, run.start), sender, threading.Event()
        )
        work.run_until(FloorPace(MAX_SPEED, behind=run.reached), run.reached)
        work.close()

    def _last_run(self) -> DemoRun | None:
        if self._file is None or not self._file.exists():
            return None
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=DemoRun)
        except UNDECODABLE as error:
            print_status(f"{self._file} cannot be read and is replaced: {error}")
            return None

    def _save_progress(self, run: DemoRun, reached: int) -> None:
        run.reached = reached
        if self._file is not None:
            part = self._file.with_suffix(".part")
            part.write_bytes(msgspec.json.encode(run))
            part.replace(self._file)


def _floor(start: datetime) -> Simulation:
    return Simulation(
        plan_floor(AGENTS, seed=SEED), seed=SEED, start=start, begins_at=START_OF_DAY_SECONDS
    )


def _print_wait(seconds: float, why: str) -> None:
    if seconds > SHORT_WAIT_SECONDS:  # otherwise the demo may be ending
        print_status(f"the demo's floor is waiting: {wait_line(seconds, why)}")


_GREETING = """\
floorcast answers at {address}

  wallboard   {address}/wallboard

  client      ACME
  user        reports
  password    example-reports-password
  API token   {token}
  ingest key  {key}

The wallboard's sign-in form has these filled in. To use the API, log in from another
terminal, then request figures and events:

  SESSION=$(curl -s {address}/session/login -H 'LV-Access: {token}' \\
    -d '{{"clientName": "ACME", "userName": "reports", "password": "example-reports-password"}}' \\
    | python3 -c 'import json, sys; print(json.load(sys.stdin)["sessionId"])')
  curl -s {address}/realtime/service/stats -H "LV-Session: $SESSION" -d '{{}}'
  curl -s {address}/realtime/event/feed -H "LV-Session: $SESSION" -d '{{"token": "{since}"}}'
  curl -s {address}/realtime/agentEvent/feed -H "LV-Session: $SESSION" -d '{{"token": "{since}"}}'

Each feed response contains a token. Send it in the next request to get the events since then.
Ctrl-C ends the demo.
"""
