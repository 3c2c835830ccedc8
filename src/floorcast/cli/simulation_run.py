"""Runs a simulated floor and sends its events, as fast as the clock or the server allows."""

from __future__ import annotations

import math
import threading
from typing import NamedTuple

from floorcast.cli.progress_bar import NoProgress, ProgressDisplay
from floorcast.cli.replay import MAX_SPEED, Totals
from floorcast.client import CloudEvent, Sender
from floorcast.client.sender_protocol import MAX_BATCH_EVENTS
from floorcast.model.token import TICKS_PER_SECOND, Now, monotonic_now
from floorcast.simulator.faults import FaultInjector
from floorcast.simulator.simulation import Simulation

__all__ = ["FloorPace", "SimulationRun"]

MINUTE_MS = 60_000  # ms
MAX_ADVANCE_MS = 10_000  # ms by which the floor advances at most in one step
CHECK_SECONDS = 0.1  # seconds between two checks of the clock


class FloorPace(NamedTuple):
    """The pace of a floor: ``speed`` times real time, until its clock reaches the current time.

    ``behind`` is the time in ms by which the floor's clock is behind when the run begins.
    """

    speed: float
    behind: float = 0.0

    def due_ms(self, seconds: float) -> float:
        """Return the simulated ms that are due after this many real seconds."""
        paced = math.inf if self.speed == MAX_SPEED else seconds * 1000 * self.speed
        return min(paced, self.behind + seconds * 1000)


class SimulationRun:
    """A floor and the sender for its events. ``totals`` has the server's verdicts so far.

    Setting ``stopping`` stops the run. Tests can replace ``clock``.
    """

    def __init__(
        self,
        simulation: Simulation,
        injector: FaultInjector,
        sender: Sender,
        stopping: threading.Event,
        *,
        clock: Now = monotonic_now,
        progress: ProgressDisplay | None = None,
    ) -> None:
        self.totals = Totals()
        self._floor, self._injector, self._sender = simulation, injector, sender
        self._stopping = stopping
        self._clock = clock
        self._progress = progress or NoProgress()
        self._ready: list[CloudEvent] = []

    def run_until(self, pace: FloorPace, until: float = math.inf) -> None:
        """Run until the floor's clock reaches ``until`` (whole ms) or the run is stopped.

        Raises the errors of ``Sender.send``, such as Refusal and Unavailable.
        """
        floor, began = self._floor, self._clock()
        while floor.now + 1 <= until and not self._stopping.is_set():
            due = min(pace.due_ms((self._clock() - began) / TICKS_PER_SECOND), until)
            until_ms = int(min(due, floor.now + MAX_ADVANCE_MS))
            if until_ms > floor.now:
                self._ready += self._injector.deliver(floor.advance(until_ms), until_ms)
            if len(self._ready) >= MAX_BATCH_EVENTS or until_ms + 1 > due:
                self._send()
            if until_ms + 1 > due and due < until:
                self._stopping.wait(CHECK_SECONDS)

    def close(self) -> None:
        """Close the floor and send all remaining events."""
        self._ready += self._injector.deliver(self._floor.close(), self._floor.now)
        self._ready += self._injector.flush()
        self._send()

    def _send(self) -> None:
        while self._ready:
            batch = self._ready[:MAX_BATCH_EVENTS]
            self.totals.add(batch, self._sender.send(batch))
            del self._ready[:MAX_BATCH_EVENTS]
        state = f"{_words(self._floor.now)} simulated, {self.totals.sent:,} events sent"
        self._progress.update(self._floor.now // MINUTE_MS, state)


def _words(ms: int) -> str:
    """Return a duration in words: ``3 s``, ``12 min``, ``2 h 5 min``."""
    minutes = ms // MINUTE_MS
    if not minutes:
        return f"{ms // 1000} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
