"""Tests that docs/running.md lists every event that the server logs."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from tests.golden.pages import DOCS, ROOT

LEVELS = {
    "debug": "debug",
    "info": "info",
    "warning": "warning",
    "error": "error",
    "exception": "error",
}
SOURCES = ROOT / "src" / "floorcast"
NOT_THE_SERVER = ("connectors", "simulator", "client")  # connectors log sentences


def logged() -> Iterator[tuple[str, str]]:
    """Yield the name and the level of each event that the server's code logs."""
    for file in sorted(SOURCES.rglob("*.py")):
        if file.relative_to(SOURCES).parts[0] in NOT_THE_SERVER:
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                level = _level(node.func)
                for one in ast.walk(node.args[0]) if level else ():
                    if isinstance(one, ast.Constant) and re.fullmatch("[a-z_]+", str(one.value)):
                        yield str(one.value), level


def _level(function: ast.expr) -> str:
    """Return the level of a call of a logger, or an empty string for any other call."""
    match function:
        case ast.Attribute(value=ast.Name(id="_log" | "log"), attr=name):
            return LEVELS.get(name, "")
        case ast.Name(id="log"):  # a request's line, at level debug for health checks
            return "info"
        case _:
            return ""


def documented() -> Mapping[str, set[str]]:
    """Return the levels of the events in the page's table."""
    page = (DOCS / "running.md").read_text("utf-8")
    table = page[page.index("| event | level | meaning | what to do |") :].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([a-z, ]+) \| [^|]+ \| [^|]+ \|$", table, re.MULTILINE)
    assert len(rows) == len(table.splitlines()) - 2
    return {event: set(levels.split(", ")) for event, levels in rows}


def test_every_logged_event_is_on_the_page_with_its_levels() -> None:
    """The table has each event with all its levels, and no event that is never logged."""
    levels = defaultdict(set)
    for event, level in logged():
        levels[event].add(level)
    assert len(levels) > 80
    assert documented() == levels
