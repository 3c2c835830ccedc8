"""Tests that the truth is printed as short, aligned tables for floors of any size."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from floorcast.cli.truth_tables import MAX_AGENT_ROWS, truth_tables
from floorcast.simulator.floor_sizing import plan_floor
from floorcast.simulator.report import report
from floorcast.simulator.simulation import Simulation

START = datetime(2026, 11, 23, 15, tzinfo=UTC)


def lines(agents: int) -> list[str]:
    simulation = Simulation(plan_floor(agents), seed=1, start=START)
    simulation.advance(1_200_000)
    known = report(simulation.truth, simulation.now)
    return list(truth_tables({**known, "faults": {"duplicates": 3, "late": 0}}))


def test_columns_are_aligned() -> None:
    """Names are left-aligned and figures right-aligned, below their headings."""
    found = lines(10)
    services = found[: found.index("")]
    assert services[0].split()[:3] == ["service", "offered", "answered"]
    assert {line.split()[0] for line in services[1:]} >= {"PS", "Collections"}
    edge = services[0].index("answered") + len("answered")
    for line in services[1:]:
        assert line[edge - 1].isdigit()
        assert line[edge] == " "
    assert found[-1].split() == ["faults", "duplicates", "3"]


def test_large_floor_is_truncated_with_a_note() -> None:
    """The table has as many agents as fit on a page, and tells how many more rows there are."""
    found = lines(100)
    (cut,) = [line for line in found if line.endswith("--truth FILE writes all rows")]
    assert found.index(cut) < MAX_AGENT_ROWS + 20


def test_floor_without_agents_says_so() -> None:
    """There is no heading without rows."""
    nothing: dict[str, Any] = {
        "services": [],
        "agents": [],
        "campaigns": [],
        "messages": {},
        "faults": {},
    }
    assert list(truth_tables(nothing)) == ["no services", "", "no agents", ""]
