"""Answers requests about a past time.

``at`` is converted to positions in the clients' logs, and a worker process computes the answer.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import msgspec

from floorcast.feeds.cursors import MAX_CLOCK_AHEAD, is_token, local_time, read_token, token_at
from floorcast.http.bodies import Disconnected
from floorcast.http.request_context import RequestContext
from floorcast.http.responses import Content, Headers, Response
from floorcast.http.services import Services
from floorcast.model.errors import InvalidParameter
from floorcast.model.token import TICKS_PER_MS, end_of_entry, entry_of, to_ms
from floorcast.statistics.answers import Question
from floorcast.statistics.as_of import (
    FloorPosition,
    PageAnswer,
    PageQuestion,
    PastAnswer,
    PastQuestion,
    answer_as_of,
)
from floorcast.statistics.requests import read_at

__all__ = [
    "PastPosition",
    "answer_about_past",
    "asks_about_past",
    "earliest_at",
    "past_page",
    "past_position",
]

_answer_decoder = msgspec.msgpack.Decoder(PastAnswer)
_page_decoder = msgspec.msgpack.Decoder(PageAnswer)


class PastPosition(NamedTuple):
    """A past time in ticks, and the position that the client's log had reached at that time."""

    ticks: int
    position: int


async def answer_about_past(context: RequestContext, question: Question, at: object) -> Response:
    """Return the answer that the method would have given at a past time.

    The answer is based on the log at that time.

    Raises InvalidParameter for a time before the log begins or in the future, and Unavailable
    if too many such answers are being computed.
    """
    target = await past_position(context.services, context.session.client, at)
    past_question = _past_question(context, target)
    past_question.question = question
    body, headers = await _compute(context, past_question, target)
    return Response(200, Content(body), headers=headers)


async def past_page(
    context: RequestContext, page: PageQuestion, at: object
) -> tuple[PageAnswer, Headers]:
    """Return the calls behind a figure as of a past time.

    Raises the same errors as ``answer_about_past``.
    """
    services = context.services
    target = await past_position(services, context.session.client, at)
    past_question = _past_question(context, target)
    past_question.page = page
    # calls that leave the floor are stored shortly after they are folded
    for floor in past_question.positions:
        await services.floor_of(floor.client).wait_until_folded(entry_of(floor.position))
    await services.past.stored()
    body, (token, *_) = await _compute(context, past_question, target)
    return _page_decoder.decode(body), (token,)


def _past_question(context: RequestContext, target: PastPosition) -> PastQuestion:
    services, session = context.services, context.session
    past, client = services.past, session.client
    if past.folder is None:
        raise InvalidParameter(
            "at needs a server with a data folder: this one keeps everything in memory"
        )
    others = [other for other in session.visible_clients if other != client]
    positions = [FloorPosition(client, target.position)]
    positions += [
        FloorPosition(other, end_of_entry(services.log.last_entry_at(other, target.ticks)))
        for other in others
    ]
    return PastQuestion(
        folder=str(past.folder),
        positions=positions,
        moment=to_ms(target.ticks),
        limits=past.limits,
        call_centers=session.call_centers,
        listed=session.services,
    )


async def _compute(
    context: RequestContext, past_question: PastQuestion, target: PastPosition
) -> tuple[bytes, Headers]:
    """Compute the answer in a worker, and return its body and headers."""
    services, client = context.services, context.session.client
    affinity = client, target.position
    argument = msgspec.msgpack.encode(past_question)
    work = services.past.workers.run(client, answer_as_of, argument, affinity=affinity)
    answer = _answer_decoder.decode(
        await _cancel_on_disconnect(context, asyncio.ensure_future(work))
    )
    if answer.body is None:
        raise _too_long_ago(services, client, target.ticks, answer.since)
    secret = services.token_secret
    token = token_at(
        client, target.position, services.log, target.ticks, at_head=True, secret=secret
    )
    headers: Headers = (("feed-token", token),)
    if answer.newest_event:
        headers += (("newest-event", str(to_ms(answer.newest_event))),)
    return answer.body, headers


def asks_about_past(at: object) -> bool:
    """Return whether a request asks about the past: ``at`` is neither null nor blank."""
    return at is not None and not (isinstance(at, str) and not at.strip())


async def past_position(services: Services, client: int, at: object) -> PastPosition:
    """Return the position of ``at``, which is a token or a time in ms or ISO 8601.

    If a token comes from another node that is ahead, waits until this node catches up. Raises
    InvalidParameter, and the same errors as ``Services.cursor_of``.
    """
    log = services.log
    if isinstance(at, str) and is_token(at):
        await services.wait_for_token(client, at.strip())
        found = read_token(client, at.strip(), log, services.now(), services.token_secret)
        target = PastPosition(found.ticks, found.position)
    else:
        moment, now = read_at(at, services.zone(client)), services.now()
        ticks = moment * TICKS_PER_MS
        if ticks > now + MAX_CLOCK_AHEAD:
            text = local_time(now, services.zone(client))
            raise InvalidParameter(f'at is in the future: expected a time up to now, "{text}"')
        ticks = min(ticks, now)
        # events recorded within the ms are included
        entry = log.last_entry_at(client, max(0, ticks) + TICKS_PER_MS - 1)
        target = PastPosition(ticks, end_of_entry(entry))
    first = log.recorded_at(client, log.last_removed(client) + 1)
    if first is None or entry_of(target.position) <= log.last_removed(client):
        raise _too_long_ago(services, client, target.ticks, first)
    return target


def earliest_at(services: Services, client: int) -> int | None:
    """Return the earliest time in ms that ``at`` accepts, or None if it accepts no time."""
    first = services.log.recorded_at(client, services.log.last_removed(client) + 1)
    if first is None or services.past.folder is None:
        return None
    return to_ms(first)


def _too_long_ago(
    services: Services, client: int, ticks: int, since: int | None
) -> InvalidParameter:
    zone = services.zone(client)
    text = local_time(max(0, ticks), zone)
    if since is None:
        return InvalidParameter(f'at is "{text}": no data is kept for that time or any later time')
    # rounded up, because the message shows whole seconds only
    begin = local_time(-(-since // 10_000_000) * 10_000_000, zone)
    return InvalidParameter(f'at is "{text}": expected a time from "{begin}" onward')


async def _cancel_on_disconnect(context: RequestContext, work: asyncio.Future[bytes]) -> bytes:
    """Return the result. If the caller disconnects, cancel the work and raise Disconnected."""
    gone = context.disconnected()
    either: set[asyncio.Future[bytes] | asyncio.Future[None]] = {work, gone}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise Disconnected
        return work.result()
    finally:
        gone.cancel()
        if not work.done():
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
