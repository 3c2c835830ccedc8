"""``floorcast simulate``: sends the events of a simulated floor to a server."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from floorcast.cli.options import KEY_HELP
from floorcast.cli.progress_bar import ProgressDisplay, show_progress
from floorcast.cli.replay import MAX_WAIT_SECONDS, parse_speed, print_totals
from floorcast.model.errors import Unavailable
from floorcast.simulator.floor_sizing import DEFAULT_LOAD, MAX_AGENTS, MIN_AGENTS, plan_floor

if TYPE_CHECKING:
    from floorcast.client import Sender
    from floorcast.simulator.faults import Faults

__all__ = ["parse_faults", "register"]

HOUR_MS = 3_600_000  # ms
DEFAULT_HOURS, MAX_HOURS = 8.0, 8_760.0
MAX_LOAD = 10.0  # with more load, the queues alone would fill the machine's memory


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("simulate")(_simulate)


def _simulate(
    key: Annotated[str, typer.Option(metavar="KEY", help=KEY_HELP)],
    url: Annotated[str, typer.Option(metavar="URL", help="The server.")] = "http://127.0.0.1:8080",
    agents: Annotated[
        int, typer.Option(metavar="N", min=MIN_AGENTS, max=MAX_AGENTS, help="The number of agents.")
    ] = 50,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed gives the same floor.")] = 1,
    speed: Annotated[
        str,
        typer.Option(
            metavar="N|max",
            help="A multiple of real time, or max for as fast as the server accepts events.",
        ),
    ] = "1",
    hours: Annotated[
        float | None,
        typer.Option(
            metavar="HOURS",
            min=0.01,
            max=MAX_HOURS,
            help="The number of hours that the floor works. [default: 8, or no limit at --speed 1]",
        ),
    ] = None,
    clock: Annotated[
        str,
        typer.Option(metavar="HH:MM", help="The time of day on the floor's clock when it starts."),
    ] = "10:00",
    start: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%SZ"],
            metavar="YYYY-MM-DDTHH:MM:SSZ",
            help="When the floor starts. Default: now or, at a speed above 1, early enough that it "
            "ends at the current time. No event is sent before its time.",
        ),
    ] = None,
    load: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            min=0.01,
            max=MAX_LOAD,
            help="The share of the agents' time that calls take up. Above 1, the queues grow.",
        ),
    ] = DEFAULT_LOAD,
    faults: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="all, or a list of duplicates, late, reordered (shares of the events) and deaths "
            "(per hour), such as duplicates=0.1,deaths.",
        ),
    ] = "",
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            callback=_check_writable,
            help="Write the truth to this file as JSON.",
        ),
    ] = None,
) -> None:
    """Send a simulated floor to a server.

    The floor has callers, agents, campaigns and messages. At the end, or on Ctrl-C or SIGTERM, the
    floor closes: every call ends and every agent logs off. The command then prints the truth (calls
    offered, answered and lost, by service and agent) for comparison with the server's figures.
    """
    from floorcast.cli.simulation_run import FloorPace, SimulationRun
    from floorcast.cli.truth_tables import truth_tables
    from floorcast.simulator.faults import FaultInjector
    from floorcast.simulator.report import report
    from floorcast.simulator.simulation import Simulation

    pace = parse_speed(speed)
    if hours is None:
        hours = math.inf if pace == 1 else DEFAULT_HOURS
    now = datetime.now(UTC)
    began = start.replace(tzinfo=UTC) if start else now - _head_start(hours, pace)
    behind = (now - began) / timedelta(milliseconds=1)
    fault_rates, begins_at = parse_faults(faults), _time_of_day(clock)
    plan = plan_floor(agents, load=load, seed=seed)
    floor = Simulation(plan, seed=seed, start=began, begins_at=begins_at, deaths=fault_rates.deaths)
    injector = FaultInjector(fault_rates, seed, began)
    problem, minutes = None, None if hours == math.inf else math.ceil(hours * 60)
    with (
        _stop_on_signal() as stopping,
        show_progress(minutes, "minutes of the floor") as progress,
        _sender(url, key, stopping, progress) as sender,
    ):
        run = SimulationRun(floor, injector, sender, stopping, progress=progress)
        try:
            run.run_until(FloorPace(pace, behind), hours * HOUR_MS)
            run.close()
        except Unavailable as error:
            problem = error
    if problem is not None and not run.totals.sent:
        raise problem  # the server has nothing to compare with the truth
    simulated = {
        "seed": seed,
        "size": agents,
        "from": began,
        "until": began + timedelta(milliseconds=floor.now),
        "faults": injector.counts | {"deaths": floor.truth.deaths},
        **report(floor.truth, floor.now),
    }
    for line in truth_tables(simulated):
        print(line)
    print()
    print_totals(run.totals)
    if truth is not None:
        _write(truth, simulated)
    if problem is not None:
        raise problem
    if run.totals.rejected:
        raise typer.Exit(1)


def _check_writable(path: Path | None) -> Path | None:
    # checked before the run, which may take hours
    if path is not None:
        try:
            path.touch()
        except OSError as error:
            raise typer.BadParameter(f"{path}: {error.strerror}") from None
    return path


def _write(path: Path, truth: dict[str, object]) -> None:
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(truth)) + b"\n")
    except OSError as error:
        # The error of a full disk does not name the file.
        error.filename = error.filename or str(path)
        raise


def _head_start(hours: float, speed: float) -> timedelta:
    """Return how long ago a floor must begin so that it is up to date at its end."""
    return timedelta() if speed <= 1 else timedelta(hours=hours - hours / speed)


def _time_of_day(text: str) -> float:
    try:
        at = time.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"must be a time such as 10:00, not {text!r}", param_hint="--clock"
        ) from None
    return at.hour * 3600.0 + at.minute * 60 + at.second


def parse_faults(text: str) -> Faults:
    """Return the value of ``--faults``. Raises BadParameter."""
    from floorcast.simulator.faults import FAULTS, Faults

    if text == "all":
        return FAULTS
    known = {field.name: getattr(FAULTS, field.name) for field in fields(Faults)}
    found = {}
    for one in filter(None, text.split(",")):
        name, given, value = one.strip().partition("=")
        try:
            found[name] = float(value) if given else known[name]
        except (KeyError, ValueError):
            found[name] = -1.0
        if name not in known or not 0 <= found[name] <= (math.inf if name == "deaths" else 1):
            expected = (
                f"all, or some of {', '.join(known)}, each a share from 0 to 1 (deaths: per hour)"
            )
            raise typer.BadParameter(f"{one!r}: expected {expected}", param_hint="--faults")
    return Faults(**found)


@contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    """Yield an event that the first SIGINT or SIGTERM sets. A second signal exits at once."""
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        if stopping.is_set():
            raise KeyboardInterrupt
        stopping.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _sender(url: str, key: str, stopping: threading.Event, progress: ProgressDisplay) -> Sender:
    """Return a sender that waits for the server until the command is stopped."""
    from floorcast.client import Sender, Timing

    def report_wait(seconds: float, why: str) -> None:
        if stopping.is_set():
            raise Unavailable(f"stopped while the server did not accept the events: {why}")
        progress.report_wait(seconds, why)

    def sleep(seconds: float) -> None:
        stopping.wait(seconds)

    timing = Timing(patience=MAX_WAIT_SECONDS, waiting=report_wait, back=progress.report_recovery)
    return Sender(url, key, timing=timing, sleep=sleep)
