"""Answers each statistics method: turns a question into the bytes of a response.

The server takes one step of an answer in each turn of the event loop. A worker process, which
answers questions about the past, takes all steps at once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct

from floorcast.statistics.agent_averages import Totals, agent_averages, averages_answer, sum_totals
from floorcast.statistics.agent_stats import (
    AgentStatisticsAnswer,
    AgentStatisticsExAnswer,
    agent_statistics,
    agent_statistics_ex,
)
from floorcast.statistics.agent_status import AgentStatusAnswer, agent_status
from floorcast.statistics.alert_list import AlertAnswer, alerts
from floorcast.statistics.campaign_stats import CampaignAnswer, campaign_statistics
from floorcast.statistics.consistent_scan import Slices
from floorcast.statistics.interval_cache import IntervalCache
from floorcast.statistics.live_connects import live_connects
from floorcast.statistics.requests import (
    DEFAULT_INTERVAL,
    EVERYTHING,
    CampaignFilter,
    ServiceFilter,
)
from floorcast.statistics.service_intervals import (
    IntervalAnswer,
    IntervalSpan,
    encoded_intervals,
)
from floorcast.statistics.service_stats import ServiceAnswer, service_stats
from floorcast.statistics.visibility import Moment, Scope, Visibility
from floorcast.statistics.waiting_calls import WaitingCallsAnswer, waiting_calls

__all__ = ["METHODS", "Method", "Question", "Steps", "answer", "answer_steps"]

Method = Literal[
    "service/stats",
    "service/stats/intervals",
    "service/agent/stats",
    "service/agent/stats/ex",
    "service/agents/status",
    "service/agents/averages",
    "service/calls/status",
    "service/liveConnects",
    "campaign/stats",
    "alerts",
]
R = TypeVar("R")
Steps = Generator[None, None, bytes | bytearray]
"""The steps of a response, between which the event loop may turn. The generator returns JSON."""

_encoder = msgspec.json.Encoder()


class Question(Struct):
    """A checked request for statistics. Each method reads only the members that apply to it.

    ``interval`` and ``last`` are in seconds, and ``changed_after`` is in ms.
    """

    method: Method
    filter: ServiceFilter = EVERYTHING
    campaigns: CampaignFilter = CampaignFilter()
    interval: int = DEFAULT_INTERVAL
    last: int | None = None
    changed_after: int | None = None


def answer_steps(
    question: Question,
    visibility: Visibility,
    moment: Moment,
    cache: IntervalCache | None = None,
) -> Steps:
    """Begin to answer a question about these floors at a given time.

    The caller must read the steps to their end or close them. ``cache`` holds rows of earlier
    answers about the current floors. Raises InvalidParameter if the filter has an id that the user
    may not see.
    """
    if question.method == "service/stats/intervals":
        return _intervals(question, visibility, moment, cache)
    return METHODS[question.method](question, visibility, moment)


def answer(question: Question, visibility: Visibility, moment: Moment) -> bytes:
    """Return the whole answer at once. Raises InvalidParameter as ``answer_steps`` does."""
    steps = answer_steps(question, visibility, moment)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return bytes(end.value)


def _alerts(_question: Question, visibility: Visibility, moment: Moment) -> Steps:
    rows = []
    for some in alerts(visibility, moment):
        rows = some
        yield
    return _encoder.encode(AlertAnswer(rows, moment.now))


def _services(question: Question, visibility: Visibility, moment: Moment) -> Steps:
    rows = service_stats(visibility.scopes(question.filter), moment)
    return _rows(ServiceAnswer([]), rows)


def _intervals(
    question: Question,
    visibility: Visibility,
    moment: Moment,
    cache: IntervalCache | None = None,
) -> Steps:
    span = IntervalSpan(question.interval, question.last)
    rows = encoded_intervals(visibility.scopes(question.filter), moment, span, cache)
    return _encoded_rows(IntervalAnswer([], moment.now), rows)


def _agents(question: Question, visibility: Visibility, moment: Moment) -> Steps:
    rows = agent_statistics(visibility.scopes(question.filter), moment)
    return _rows(AgentStatisticsAnswer([]), rows)


def _agents_by_service(question: Question, visibility: Visibility, moment: Moment) -> Steps:
    rows = agent_statistics_ex(visibility.scopes(question.filter), moment)
    return _rows(AgentStatisticsExAnswer([]), rows)


def _status(question: Question, visibility: Visibility, moment: Moment) -> Steps:
    scopes = visibility.scopes(question.filter)
    rows = agent_status(scopes, moment, question.changed_after)
    return _rows(AgentStatusAnswer([], moment.now), rows)


def _averages(question: Question, visibility: Visibility, moment: Moment) -> Steps:
    return _averages_of(visibility.scopes(question.filter), moment)


def _averages_of(scopes: Sequence[Scope], moment: Moment) -> Steps:
    totals: list[Totals] = []
    with agent_averages(scopes, moment) as slices:
        for rows in slices:
            totals.append(sum_totals(rows))
            yield
    return _encoder.encode(averages_answer(totals, moment))


def _waiting(question: Question, visibility: Visibility, moment: Moment) -> Steps:
    rows = waiting_calls(visibility.scopes(question.filter), moment)
    return _rows(WaitingCallsAnswer([], str(moment.now)), rows)


def _connects(question: Question, visibility: Visibility, moment: Moment) -> Steps:
    connects = live_connects(visibility.scopes(question.filter), moment)
    yield from ()
    return _encoder.encode(connects)


def _campaigns(question: Question, visibility: Visibility, moment: Moment) -> Steps:
    return _rows(CampaignAnswer([]), campaign_statistics(visibility, question.campaigns, moment))


METHODS: dict[Method, Callable[[Question, Visibility, Moment], Steps]] = {
    "service/stats": _services,
    "service/stats/intervals": _intervals,
    "service/agent/stats": _agents,
    "service/agent/stats/ex": _agents_by_service,
    "service/agents/status": _status,
    "service/agents/averages": _averages,
    "service/calls/status": _waiting,
    "service/liveConnects": _connects,
    "campaign/stats": _campaigns,
    "alerts": _alerts,
}


def _rows(empty: Struct, slices: Slices[R]) -> Steps:
    """Encode the answer ``empty`` with these rows."""
    return _body(empty, slices, _pieces)


def _encoded_rows(empty: Struct, slices: Slices[bytes]) -> Steps:
    """Encode the answer ``empty`` with these rows, which are already JSON."""
    return _body(empty, slices, b",".join)


def _pieces(rows: list[R]) -> bytes:
    return _encoder.encode(rows)[1:-1]


def _body(empty: Struct, slices: Slices[R], joined: Callable[[list[R]], bytes]) -> Steps:
    """Write the response into one growing buffer.

    Joining 30 MB of pieces would take 20 ms.
    """
    head, tail = _encoder.encode(empty).split(b"[]", 1)
    body = bytearray(head)
    body += b"["
    first = len(body)
    with slices:
        for rows in slices:
            if rows:
                if len(body) > first:
                    body += b","
                body += joined(rows)
            yield
    body += b"]"
    body += tail
    return body
