"""Answers about a past time: the functions of live answers, run in a worker process."""

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
from floorcast.statistics.call_pages import PlaceInList
from floorcast.statistics.figure_calls import FigureCalls, FigureCallsAnswer, Wanted
from floorcast.statistics.figure_days import read_figure_day
from floorcast.statistics.requests import LIVE_FIGURES, Figure, ServiceFilter
from floorcast.statistics.visibility import CallCenterLimits, Listed, Moment, Scope, Visibility

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
    """A checked request for the calls behind a figure of ``client``'s one service in ``filter``.

    ``day`` and ``after`` are those of the cursor, if any.
    """

    client: int
    filter: ServiceFilter
    figure: Figure
    start: int | None
    end: int | None
    day: int | None
    after: PlaceInList | None


class PageAnswer(Struct):
    """A page of calls, the day of the list, and the sort key of the last row if there are more."""

    answer: FigureCallsAnswer
    day: int
    last: PlaceInList | None


class PastQuestion(Struct):
    """A question about floors at a time in ms, and the user's limits.

    ``folder`` is the data folder. Exactly one of ``question`` and ``page`` is set.
    """

    folder: str
    positions: Sequence[FloorPosition]
    moment: int
    limits: FoldLimits
    call_centers: CallCenterLimits
    listed: Listed
    question: Question | None = None
    page: PageQuestion | None = None


class PastAnswer(Struct):
    """The JSON of a response, and the time at which its newest event was recorded, in ticks.

    The response to a ``page`` is a PageAnswer as msgpack. If it cannot be computed any more,
    ``body`` is None and ``since`` is the first tick that can be requested, if any.
    """

    body: bytes | None
    newest_event: int = 0
    since: int | None = None


_decoder = msgspec.msgpack.Decoder(PastQuestion)
_kept: dict[tuple[str, int], Refold] = {}


def answer_as_of(argument: bytes) -> bytes:
    """A PastAnswer for a PastQuestion, both as msgpack. Raises InvalidParameter, Unavailable.

    The floors stay in memory for the next question, which may be about the same time.
    """
    asked = _decoder.decode(argument)
    try:
        with past_floors(Path(asked.folder), asked.limits) as floors:
            refolds = _refolded(asked, floors)
            newest = max(refold.floor.state.heard_at for refold in refolds)
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
    left = None
    if asked.figure not in LIVE_FIGURES:
        left = floors.left_calls(asked.client, day.day, service, position)
    wanted = Wanted(service, asked.figure, *day, asked.after)
    with closing(FigureCalls(scope, moment, wanted, left)) as page:
        for _ in page:
            pass
    return PageAnswer(FigureCallsAnswer(page.calls, page.total, None), day.day, page.last)


def _refolded(asked: PastQuestion, floors: PastFloors) -> list[Refold]:
    kept = {
        position.client: _kept.pop((asked.folder, position.client), None)
        for position in asked.positions
    }
    _kept.clear()  # keep the floors of at most one question in memory, and none that failed halfway
    refolds = [
        floors.floor(position.client, position.position, kept.pop(position.client))
        for position in asked.positions
    ]
    _kept.update(((asked.folder, refold.floor.state.client), refold) for refold in refolds)
    return refolds
