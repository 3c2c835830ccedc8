"""Answers about a past moment: the functions of the live answers, in a worker process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from floorcast.floor.view import FloorView
from floorcast.projection.past import PastFloors, TooLongAgo, past_floors
from floorcast.projection.refold import FoldLimits, Refold
from floorcast.statistics.answers import Question, answer
from floorcast.statistics.visibility import CallCenterLimits, Listed, Moment, Visibility

__all__ = ["PastAnswer", "PastQuestion", "Place", "answer_as_of"]


class Place(Struct):
    """One client's floor at a position in its log."""

    client: int
    position: int


class PastQuestion(Struct):
    """A question about floors at a moment, in ms, and what its user may see.

    ``folder`` is the data folder. The first place is that of the user's own client.
    """

    folder: str
    question: Question
    places: Sequence[Place]
    moment: int
    limits: FoldLimits
    call_centers: CallCenterLimits
    listed: Listed


class PastAnswer(Struct):
    """The JSON of an answer, and when the newest event that it knows of was recorded, in ticks.

    If nothing is kept from which it could be computed, ``body`` is None and ``since`` is the first
    tick of which the past can be asked, if there is any.
    """

    body: bytes | None
    newest_event: int = 0
    since: int | None = None


_decoder = msgspec.msgpack.Decoder(PastQuestion)
_kept: dict[tuple[str, int], Refold] = {}


def answer_as_of(argument: bytes) -> bytes:
    """A PastAnswer for a PastQuestion, both as msgpack. Raises InvalidParameter, Unavailable.

    The floors stay in memory for the next question, which may be about the same moment.
    """
    asked = _decoder.decode(argument)
    try:
        with past_floors(Path(asked.folder), asked.limits) as floors:
            refolds = _refolded(asked, floors)
            newest = max(_newest_event(refold, floors) for refold in refolds)
    except TooLongAgo as refusal:
        return msgspec.msgpack.encode(PastAnswer(None, since=refusal.since))
    views = [FloorView(refold.floor) for refold in refolds]
    visibility = Visibility(views, asked.call_centers, listed=asked.listed)
    moment = Moment(asked.moment, asked.limits.quiet_call, asked.limits.quiet_agent)
    body = answer(asked.question, visibility, moment)
    return msgspec.msgpack.encode(PastAnswer(body, newest))


def _refolded(asked: PastQuestion, floors: PastFloors) -> list[Refold]:
    kept = {place.client: _kept.pop((asked.folder, place.client), None) for place in asked.places}
    _kept.clear()  # one question's floors at most are in memory, and none that failed half-way
    refolds = [
        floors.floor(place.client, place.position, kept.pop(place.client)) for place in asked.places
    ]
    _kept.update(((asked.folder, refold.floor.state.client), refold) for refold in refolds)
    return refolds


def _newest_event(refold: Refold, floors: PastFloors) -> int:
    """When the newest event was recorded, in ticks; 0 if there is none."""
    state = refold.floor.state
    if state.entry != state.terms:
        return state.recorded_at
    # the newest entry is a change of the site, which no source sent
    return floors.recorded_at(state.client, state.entry - 1)
