"""Formats the simulator's truth as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from floorcast.cli.tables import table_lines

__all__ = ["truth_tables"]

MAX_AGENT_ROWS = 40  # the most rows that are printed; the file has all rows

SERVICES = {
    "service": "serviceName",
    "offered": "totalOffered",
    "answered": "totalHandled",
    "abandoned": "totalAbandoned",
    "moved": "movedOn",
    "missed": "missed",
    "waiting": "totalCallsInQueue",
    "lost": "lost",
    "level %": "serviceLevel",
    "wait s": "averageSpeedOfAnswer",
    "talk s": "averageTalkDuration",
    "wrap-up s": "averageWrapupDuration",
}
AGENTS = {
    "agent": "agentLoginId",
    "service": "serviceName",
    "inbound": "inboundCalls",
    "outbound": "outboundCalls",
    "ready s": "readyDuration",
    "not ready s": "totalNotReadyDuration",
    "talk s": "talkDuration",
    "wrap-up s": "wrapupDuration",
    "contacts": "rpcComplete",
}


def truth_tables(truth: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of three tables: services, agents, and all other figures."""
    yield from _table(SERVICES, truth["services"])
    agents = [
        {**work, "agentLoginId": agent["agentLoginId"]}
        for agent in truth["agents"]
        for work in _active_services(agent["services"])
    ]
    yield ""
    yield from _table(AGENTS, agents[:MAX_AGENT_ROWS])
    if len(agents) > MAX_AGENT_ROWS:
        yield f"… and {len(agents) - MAX_AGENT_ROWS} more rows: --truth FILE writes all rows"
    yield ""
    others = {
        **{f"campaign {one['campaignName']}": _campaign_text(one) for one in truth["campaigns"]},
        "messages": _counts_text(truth["messages"]),
        "faults": _counts_text(truth["faults"]),
    }
    yield from table_lines([(name, text) for name, text in others.items() if text])


def _active_services(services: Sequence[Mapping[str, object]]) -> Sequence[Mapping[str, object]]:
    """Return the services at which an agent did anything, or else the first one."""
    found = [one for one in services if any(one[name] for name in one if name != "serviceName")]
    return found or services[:1]


def _table(columns: Mapping[str, str], rows: Sequence[Mapping[str, object]]) -> Iterator[str]:
    if not rows:
        return iter([f"no {next(iter(columns))}s"])
    cells = [list(columns), *([str(row[name]) for name in columns.values()] for row in rows)]
    width = [max(map(len, column)) for column in zip(*cells, strict=True)]
    numbers = [name not in {"service", "agent"} for name in columns]
    return table_lines(
        [
            [
                cell.rjust(w) if right else cell
                for cell, w, right in zip(row, width, numbers, strict=True)
            ]
            for row in cells
        ]
    )


def _campaign_text(campaign: Mapping[str, object]) -> str:
    return "{state}, {completed} of {loaded} done, {dialable} to be called now".format(**campaign)


def _counts_text(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items() if count)
