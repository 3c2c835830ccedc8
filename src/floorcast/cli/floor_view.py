"""The view of ``floorcast top``: turns the responses of three methods into text for rich."""

from __future__ import annotations

import sys
from collections import Counter

from msgspec import Struct
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from floorcast.cli.event_lines import printable
from floorcast.client.agent_answers import AgentDetails, AgentStatusAnswer
from floorcast.client.answers import (
    ServiceAnswer,
    ServiceStatistics,
    WaitingCallsAnswer,
)

__all__ = ["FloorResponses", "draw", "format_duration"]

STALE_SECONDS = 10.0  # seconds after which the shown data counts as stale
_LOW, _HIGH = 60.0, 80.0  # service level in percent: red below the first, green from the second on
# Lines other than rows: the heading, two blank lines, and three tables' titles, heads and footers.
_OTHER_LINES = 12


class FloorResponses(Struct, kw_only=True):
    """The floor as of the last response, ``age`` seconds ago.

    ``problem`` is the reason why there is no newer response, or empty.
    """

    services: ServiceAnswer
    agents: AgentStatusAnswer
    calls: WaitingCallsAnswer
    age: float = 0.0
    problem: str = ""


def draw(responses: FloorResponses, title: str, lines: int | None = None) -> RenderableType:
    """Render services, waiting calls and agents, in at most ``lines`` lines (None: no limit)."""
    services = sorted(responses.services.stats, key=_by_name)
    service_rows, call_rows, agent_rows = _row_limits(
        lines, len(services), len(responses.calls.calls_details)
    )
    return Group(
        _heading(title, responses),
        _services(services, service_rows, responses.age),
        "",
        _calls(responses, call_rows),
        "",
        _agents(responses, agent_rows),
    )


def format_duration(seconds: float) -> str:
    """Format a duration: ``0:07``, ``12:30``, ``1:02:03``."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _row_limits(lines: int | None, services: int, calls: int) -> tuple[int, int, int]:
    """Return the rows per table: up to a third each for services and calls, the rest for agents."""
    if lines is None:
        return sys.maxsize, sys.maxsize, sys.maxsize
    rows = max(3, lines - _OTHER_LINES)
    service_rows, call_rows = min(services, rows // 3), min(calls, rows // 3)
    return service_rows, call_rows, rows - service_rows - call_rows


def _heading(title: str, responses: FloorResponses) -> Text:
    old = responses.age >= STALE_SECONDS
    text = Text(printable(title), "bold")
    text.append(f"   {format_duration(responses.age)} old", "bold red" if old else "dim")
    if responses.problem:
        text.append(f"   {printable(responses.problem)}", "red")
    return text


def _services(services: list[ServiceStatistics], limit: int, age: float) -> Table:
    table = _table("Services", "service", "SL", "queue", "longest", "talking", "agents", "offered",
                   "handled", "abandoned", "ASA")  # fmt: skip
    for one in services[:limit]:
        level = one.service_level or 0.0
        queue = one.total_calls_in_queue or 0
        longest = (one.longest_call_in_queue or 0) + age if queue else 0.0
        table.add_row(
            _text(one.service_name),
            Text(f"{level:.1f} %", _level_style(level)) if _has_rates(one) else "-",
            Text(str(queue), "bold" if queue else ""),
            format_duration(longest) if queue else "-",
            _number(one.calls_with_agent),
            _number(one.total_agents),
            _number(one.total_offered),
            _number(one.total_handled),
            f"{one.abandon_rate or 0:.1f} %" if _has_rates(one) else "-",
            format_duration(one.average_speed_of_answer or 0),
        )
    return _add_rest(table, len(services), limit)


def _has_rates(one: ServiceStatistics) -> bool:
    """Return whether any call waited for an agent.

    Outbound calls that agents made themselves do not count in rates.
    """
    within, asa = one.total_calls_answered_within_sla, one.average_speed_of_answer
    return bool(within or asa or one.total_abandoned)


def _calls(responses: FloorResponses, limit: int) -> Table:
    calls = responses.calls.calls_details
    table = _table(f"Waiting calls: {len(calls)}", "service", "waits", "customer", "name",
                   "priority")  # fmt: skip
    now = (responses.calls.time_stamp or 0) / 1000 + responses.age
    for one in calls[:limit]:
        table.add_row(
            _text(one.service_name),
            "-" if one.time_stamp is None else format_duration(now - one.time_stamp),
            _text(one.phone),
            _text(one.name),
            _number(one.priority),
        )
    return _add_rest(table, len(calls), limit)


def _agents(responses: FloorResponses, limit: int) -> Table:
    agents = sorted(responses.agents.agent_details, key=_by_state)
    states = Counter(one.state or "-" for one in agents)
    title = "   ".join(f"{printable(state)} {count}" for state, count in states.most_common())
    table = _table(f"Agents: {title or 'none'}", "agent", "state", "for", "reason", "service",
                   "in", "out", "customer")  # fmt: skip
    now = (responses.agents.time_stamp or 0) / 1000 + responses.age
    for one in agents[:limit]:
        since = one.state_changed_after
        table.add_row(
            _text(one.agent_name or one.agent_login_id),
            _text(one.state),
            "-" if since is None else format_duration(now - since / 1000),
            _text(one.reason_code),
            _text(one.service_name),
            _number(one.inbound_calls),
            _number(one.outbound_calls),
            _text(one.phone),
        )
    return _add_rest(table, len(agents), limit)


def _by_name(service: ServiceStatistics) -> tuple[str, int]:
    return service.service_name or "", service.service_id or 0


def _by_state(agent: AgentDetails) -> tuple[int, int, str]:
    """Return a sort key that groups agents by state, longest in the state first."""
    return agent.state_id or 0, agent.state_changed_after or 0, agent.agent_login_id or ""


def _table(title: str, *columns: str) -> Table:
    table = Table(title=Text(title, "bold"), title_justify="left", box=None, pad_edge=False)
    texts = {"service", "agent", "state", "reason", "customer", "name"}
    for column in columns:
        table.add_column(
            column,
            justify="left" if column in texts else "right",
            no_wrap=True,
            overflow="ellipsis",
        )
    return table


def _add_rest(table: Table, count: int, limit: int) -> Table:
    if count > limit:
        table.add_row(Text(f"and {count - limit} more", "dim"))
    return table


def _level_style(level: float) -> str:
    return "green" if level >= _HIGH else "yellow" if level >= _LOW else "red"


def _text(text: str | None) -> str | Text:
    return Text(printable(text)) if text else "-"


def _number(number: int | None) -> str:
    return "-" if number is None else str(number)
