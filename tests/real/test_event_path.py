"""The way of an event, from the socket of its source to its readers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "event_path.py"
MOST_MODULES = 80
"""Room for what guards the way; a change that needs more has made it longer, and says why."""


def test_the_way_of_an_event_grows_no_longer() -> None:
    """It passes the stages that docs/how-it-works.md draws, and so many modules in all."""
    done = subprocess.run(
        [sys.executable, SCRIPT], capture_output=True, text=True, timeout=60, check=True
    )
    *modules, count = done.stdout.splitlines()
    assert count == f"{len(modules)} modules"
    stages = {
        "http/handlers/ingest.py",
        "ingest/decode.py",
        "log/group_commit.py",
        "projection/runner.py",
        "floor/floor.py",
        "feeds/feed.py",
        "sse/channels.py",
        "http/handlers/feeds.py",
    }
    assert stages <= set(modules)
    assert len(modules) <= MOST_MODULES
