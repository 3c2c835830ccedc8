"""The view of ``floorcast top``: turns the responses of three methods into text for rich."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct
from rich.console import Group, RenderableType
from rich.text import Text

from floorcast.cli.fitted_table import Column, fit_table
from floorcast.client.agent_answers import AgentDetails, AgentStatusAnswer
from floorcast.client.answers import (
    ServiceAnswer,
    ServiceStatistics,
    WaitingCallsAnswer,
)
from floorcast.model.text import printable

__all__ = ["FloorResponses", "draw", "format_duration"]

Row = list[Text]

STALE_SECONDS = 10.0  # seconds after which the shown data counts as stale
_LOW, _HIGH = 60.0, 80.0  # service level in percent: red below the first, green from the second on
# Lines other than rows: the heading, two blank lines, and three tables' titles and heads.
_OTHER_LINES = 9

_SERVICES = (
    Column("service", shrinks=True, left=True),
    Column("SL"),
    Column("queue"),
    Column("longest"),
    Column("talk", leaves=4),
    Column("agents", leaves=2),
    Column("offered", leaves=5),
    Column("handled", leaves=6),
    Column("aband", leaves=1),
    Column("ASA", leaves=3),
)
_CALLS = (
    Column("service", shrinks=True, left=True),
    Column("waits"),
    Column("customer", leaves=1, left=True),
    Column("name", leaves=3, shrinks=True, left=True),
    Column("priority", leaves=2),
)
_AGENTS = (
    Column("agent", shrinks=True, left=True),
    Column("state", left=True),
    Column("for"),
    Column("reason", leaves=1, left=True),
    Column("service", leaves=2, shrinks=True, left=True),
    Column("in", leaves=4),
    Column("out", leaves=5),
    Column("customer", leaves=3, left=True),
)
# what is shown instead of a table's head, so it is one line, too
_EMPTY = (
    "no services to show; the site declares them: floorcast site show",
    "no call is waiting",
    "no agent is logged in",
)


class FloorResponses(Struct, kw_only=True):
    """The floor as of the last response, ``age`` seconds ago.

    ``problem`` is the reason why there is no newer response, or empty.
    """

    services: ServiceAnswer
    agents: AgentStatusAnswer
    calls: WaitingCallsAnswer
    age: float = 0.0
    problem: str = ""


def draw(
    responses: FloorResponses, title: str, width: int, lines: int | None = None
) -> RenderableType:
    """Render services, waiting calls and agents for a terminal of ``width`` characters.

    The result has at most ``lines`` lines (None: no limit).
    """
    heading = _heading(title, responses, width)
    tables = (_service_rows(responses), _call_rows(responses), _agent_rows(responses))
    spare = None if lines is None else lines - len(heading) + 1 - _OTHER_LINES
    limits = _row_limits([len(rows) for rows in tables], spare)
    parts: list[RenderableType] = []
    titles = ("Services", f"Waiting calls: {len(tables[1])}", _agents_title(responses, width))
    for text, columns, rows, limit, empty in zip(
        titles, (_SERVICES, _CALLS, _AGENTS), tables, limits, _EMPTY, strict=True
    ):
        table = fit_table(columns, rows[:limit], width) if rows else _line(empty, "dim")
        parts += ["", _line(text, "bold"), table]
        if len(rows) > limit:
            parts.append(_line(f"and {len(rows) - limit} more", "dim"))
    return Group(*heading, *parts[1:])


def format_duration(seconds: float) -> str:
    """Format a duration: ``0:07``, ``12:30``, ``1:02:03``."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _row_limits(counts: Sequence[int], lines: int | None) -> list[int]:
    """Return the rows to show of each table.

    A table that does not need its third of the lines leaves the rest to the others. One line of a
    table that does not fit is for the number of missing rows.
    """
    if lines is None:
        return list(counts)
    shares = [0] * len(counts)
    for _ in range(max(lines, len(counts))):
        waiting = [at for at, count in enumerate(counts) if shares[at] < count]
        if not waiting:
            break
        shares[min(waiting, key=lambda at: shares[at])] += 1
    return [
        count if share >= count else share - 1 for share, count in zip(shares, counts, strict=True)
    ]


def _heading(title: str, responses: FloorResponses, width: int) -> list[Text]:
    """Return a line with the data's age, and the problem next to it or, if too long, below it."""
    old = responses.age >= STALE_SECONDS
    text = _line(printable(title), "bold")
    text.append(f"   {format_duration(responses.age)} old", "bold red" if old else "dim")
    problem = _line(printable(responses.problem), "red")
    if text.cell_len + 3 + problem.cell_len > width:
        return [text, problem] if responses.problem else [text]
    return [text.append("   ").append(problem)] if responses.problem else [text]


def _line(text: str, style: str) -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")


def _service_rows(responses: FloorResponses) -> list[Row]:
    return [
        _service_row(one, responses.age) for one in sorted(responses.services.stats, key=_by_name)
    ]


def _service_row(one: ServiceStatistics, age: float) -> Row:
    level = one.service_level or 0.0
    queue = one.total_calls_in_queue or 0
    longest = (one.longest_call_in_queue or 0) + age
    has_rates = _has_rates(one)
    return [
        _text(one.service_name),
        Text(f"{level:.1f} %", _level_style(level)) if has_rates else Text("-"),
        Text(str(queue), "bold" if queue else ""),
        Text(format_duration(longest) if queue else "-"),
        _number(one.calls_with_agent),
        _number(one.total_agents),
        _number(one.total_offered),
        _number(one.total_handled),
        Text(f"{one.abandon_rate or 0:.1f} %" if has_rates else "-"),
        Text(format_duration(one.average_speed_of_answer or 0)),
    ]


def _has_rates(one: ServiceStatistics) -> bool:
    """Return whether any call waited for an agent.

    Outbound calls that agents made themselves do not count in rates.
    """
    within, asa = one.total_calls_answered_within_sla, one.average_speed_of_answer
    return bool(within or asa or one.total_abandoned)


def _call_rows(responses: FloorResponses) -> list[Row]:
    now = (responses.calls.time_stamp or 0) / 1000 + responses.age
    return [
        [
            _text(one.service_name),
            Text("-" if one.time_stamp is None else format_duration(now - one.time_stamp)),
            _text(one.phone),
            _text(one.name),
            _number(one.priority),
        ]
        for one in responses.calls.calls_details
    ]


def _agent_rows(responses: FloorResponses) -> list[Row]:
    now = (responses.agents.time_stamp or 0) / 1000 + responses.age
    return [_agent_row(one, now) for one in sorted(responses.agents.agent_details, key=_by_state)]


def _agent_row(one: AgentDetails, now: float) -> Row:
    since = one.state_changed_after
    return [
        _text(one.agent_name or one.agent_login_id),
        _text(one.state),
        Text("-" if since is None else format_duration(now - since / 1000)),
        _text(one.reason_code),
        _text(one.service_name),
        _number(one.inbound_calls),
        _number(one.outbound_calls),
        _text(one.phone),
    ]


def _agents_title(responses: FloorResponses, width: int) -> str:
    """Return the number of agents per state, for as many states as fit, most frequent first."""
    states = Counter(one.state or "-" for one in responses.agents.agent_details)
    counts = [f"{printable(state)} {count}" for state, count in states.most_common()]
    title = f"Agents: {'   '.join(counts) or 'none'}"
    while len(title) > width and len(counts) > 1:
        counts.pop()
        title = f"Agents: {'   '.join(counts)}   …"
    return title


def _by_name(service: ServiceStatistics) -> tuple[str, int]:
    return service.service_name or "", service.service_id or 0


def _by_state(agent: AgentDetails) -> tuple[int, int, str]:
    """Return a sort key that groups agents by state, longest in the state first."""
    return agent.state_id or 0, agent.state_changed_after or 0, agent.agent_login_id or ""


def _level_style(level: float) -> str:
    return "green" if level >= _HIGH else "yellow" if level >= _LOW else "red"


def _text(text: str | None) -> Text:
    return Text(printable(text) if text else "-")


def _number(number: int | None) -> Text:
    return Text("-" if number is None else str(number))
