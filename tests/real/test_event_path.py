"""Tests of an event's path from its source's socket to its readers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STAGE = re.compile(r"^\| \w+ \| `([\w/]+\.py)` \|", re.MULTILINE)
MOST_MODULES = 40
"""The maximum number of modules on the path. docs/why.md explains the modules."""


def test_the_path_of_an_event_has_a_bounded_length() -> None:
    """The path is not too long, and includes each file that docs/how-it-works.md lists for it."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.event_path"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    *modules, count = done.stdout.splitlines()
    assert count == f"{len(modules)} modules"
    stages = STAGE.findall((ROOT / "docs" / "how-it-works.md").read_text())
    assert len(stages) >= 10
    assert len(set(stages)) == len(stages)
    assert set(stages) <= set(modules)
    assert len(modules) <= MOST_MODULES
