"""Answers questions about a past time in a worker process, by the same code as live answers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec
from msgspec import Struct

from floorcast.floor.view import FloorView
from floorcast.projection.past import PastFloors, TooLongAgo, past_floors
from floorcast.projection.refold import FoldLimits, Refold
from floorcast.statistics.answers import Question, answer
from floorcast.statistics.call_pages import CallSortKey
from floorcast.statistics.figure_calls import FigureCalls, FigureCallsAnswer, FigureSelection
from floorcast.statistics.figure_days import read_figure_day
from floorcast.statistics.requests import LIVE_FIGURES, Figure, ServiceFilter
from floorcast.statistics.visibility import (
    CallCenterLimits,
    ListedServices,
    Moment,
    Scope,
    Visibility,
)

__all__ = [
    "FloorPosition",
    "PageAnswer",
    "PageQuestion",
    "PastAnswer",
    "PastQuestion",
    "answer_as_of",
]


class FloorPosition(Struct):
    """One client's floor at a position in its log."""

    client: int
    position: int


class PageQuestion(Struct):
    """A checked request for the calls behind a figure of one of ``client``'s services.

    ``filter`` selects this service. ``day`` and ``after`` come from the request's cursor. They are
    None if the request has no cursor.
    """

    client: int
    filter: ServiceFilter
    figure: Figure
    start: int | None
    end: int | None
    day: int | None
    after: CallSortKey | None


class PageAnswer(Struct):
    """A page of calls, with the day that the list covers.

    ``last`` is the sort key of the page's last row, or None if no rows follow it.
    """

    answer: FigureCallsAnswer
    day: int
    last: CallSortKey | None


class PastQuestion(Struct):
    """A question about floors at the time ``moment`` (ms), with the limits of the user who asks.

    ``folder`` is the data folder. Exactly one of ``question`` and ``page`` is set.
    """

    folder: str
    positions: Sequence[FloorPosition]
    moment: int
    limits: FoldLimits
    call_centers: CallCenterLimits
    listed: ListedServices
    question: Question | None = None
    page: PageQuestion | None = None


class PastAnswer(Struct):
    """The answer to a PastQuestion.

    ``body`` is the JSON response to a ``question``, or a PageAnswer in msgpack for a ``page``.
    ``newest_event`` is the time, in ticks, at which the newest event in it was recorded. If the
    answer can no longer be computed, ``body`` is None and ``since`` is the first tick that can be
    requested, or None if there is no such tick.
    """

    body: bytes | None
    newest_event: int = 0
    since: int | None = None


_decoder = msgspec.msgpack.Decoder(PastQuestion)
_earlier_refolds: dict[tuple[str, int], Refold] = {}


def answer_as_of(argument: bytes) -> bytes:
    """Answer a PastQuestion with a PastAnswer, both in msgpack.

    The floors stay in memory for the next question, which may be about the same time.

    Raises InvalidParameter and Unavailable.
    """
    asked = _decoder.decode(argument)
    try:
        with past_floors(Path(asked.folder), asked.limits) as floors:
            refolds = _refolded(asked, floors)
            newest = max(refold.floor.state.newest_event_at for refold in refolds)
            body = _body(asked, refolds, floors)
    except TooLongAgo as refusal:
        return msgspec.msgpack.encode(PastAnswer(None, since=refusal.since))
    return msgspec.msgpack.encode(PastAnswer(body, newest))


def _body(asked: PastQuestion, refolds: Sequence[Refold], floors: PastFloors) -> bytes:
    views = [FloorView(refold.floor) for refold in refolds]
    moment = Moment(asked.moment, asked.limits.quiet_call, asked.limits.quiet_agent)
    if asked.page is not None:
        views = [view for view in views if view.client == asked.page.client]
    visibility = Visibility(views, asked.call_centers, listed=asked.listed)
    if asked.page is not None:
        (position,) = [one.position for one in asked.positions if one.client == asked.page.client]
        (scope,) = visibility.scopes(asked.page.filter)
        return msgspec.msgpack.encode(_page(asked.page, scope, moment, floors, position))
    assert asked.question is not None
    return answer(asked.question, visibility, moment)


def _page(
    asked: PageQuestion, scope: Scope, moment: Moment, floors: PastFloors, position: int
) -> PageAnswer:
    (service,) = scope.services
    given = (asked.start, asked.end)
    day = read_figure_day(scope.view, moment, asked.figure, given, asked.day)
    evicted = None
    if asked.figure not in LIVE_FIGURES:
        evicted = floors.evicted_calls(asked.client, day.day, service, position)
    selection = FigureSelection(service, asked.figure, *day, asked.after)
    with closing(FigureCalls(scope, moment, selection, evicted)) as page:
        for _ in page:
            pass
    return PageAnswer(FigureCallsAnswer(page.calls, page.total, None), day.day, page.last)


def _refolded(asked: PastQuestion, floors: PastFloors) -> list[Refold]:
    earlier = {
        position.client: _earlier_refolds.pop((asked.folder, position.client), None)
        for position in asked.positions
    }
    # keep only one question's floors in memory, and no floor that failed halfway
    _earlier_refolds.clear()
    refolds = [
        floors.floor(position.client, position.position, earlier.pop(position.client))
        for position in asked.positions
    ]
    _earlier_refolds.update(
        ((asked.folder, refold.floor.state.client), refold) for refold in refolds
    )
    return refolds
