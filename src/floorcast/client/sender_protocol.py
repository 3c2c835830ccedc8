"""Sends events to a server's intake in batches, with retries, and collects verdicts. No I/O.

A batch that gets no response or a temporary refusal is sent again. The server recognizes events
that it already has, so nothing is counted twice, even if the connection or the server fails
repeatedly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from http import HTTPStatus

import msgspec
from msgspec import Struct, structs

from floorcast.client.address import check_address
from floorcast.client.api_call import ApiCall, decode
from floorcast.client.cloud_event import CloudEvent
from floorcast.client.error_mapping import to_bad_credentials, to_exception
from floorcast.client.exchange import Exchange, require_header_value
from floorcast.client.pacing import RateLimitPacer
from floorcast.client.steps import HttpRequest, HttpResponse, Steps
from floorcast.client.timing import Timing, with_retries
from floorcast.model.errors import BadSession, TooLarge, UnexpectedAnswer
from floorcast.model.undecodable import UNDECODABLE

__all__ = ["MAX_BATCH_EVENTS", "Rejected", "SenderProtocol", "Verdicts"]

MAX_BATCH_EVENTS = 1000  # the server accepts 10,000; smaller batches get a response sooner
MAX_BATCH_BYTES = 4 << 20  # the server accepts 16 MiB

_encode = msgspec.json.Encoder().encode


class Rejected(Struct, frozen=True):
    """An event that the server refused: its index among the sent events, and the reason."""

    index: int
    code: int
    message: str
    id: str | None = None


class Verdicts(Struct, frozen=True):
    """The results of one ``send``.

    ``accepted`` and ``duplicates`` are counts. The server has stored both kinds durably.
    """

    accepted: int = 0
    duplicates: int = 0
    rejected: list[Rejected] = []

    def merged(self, later: Verdicts, first_index: int) -> Verdicts:
        """Add the verdicts of a later batch, whose first event has this index."""
        moved = [structs.replace(one, index=one.index + first_index) for one in later.rejected]
        return Verdicts(
            self.accepted + later.accepted,
            self.duplicates + later.duplicates,
            self.rejected + moved,
        )


class SenderProtocol:
    """The client side of a server's intake.

    Raises SettingError for an invalid ``url`` or ``key``.
    """

    def __init__(self, url: str, key: str, timing: Timing) -> None:
        self.url = check_address(url)
        self._authorization = f"Bearer {require_header_value(key, 'ingest key')}"
        self._timing = timing
        self._exchange = Exchange(self.url, RateLimitPacer(timing.clock))

    def send(self, events: Iterable[CloudEvent]) -> Steps[Verdicts]:
        """Send events in order, in batches, and return the verdicts once the server has stored all.

        A batch is retried while the server is unavailable or busy. Raises Unavailable or
        RateLimited if that lasts longer than the patience of ``timing``, Refusal if the batch can
        never be accepted (such as with a wrong key), and UnexpectedAnswer. Sending the same events
        again is always safe.
        """
        verdicts, index = Verdicts(), 0
        for lines in _batches(events):
            verdicts = verdicts.merged((yield from self._batch(lines)), index)
            index += len(lines)
        return verdicts

    def check_key(self) -> Steps[None]:
        """Send a request without events, which succeeds if the server accepts the key.

        It is retried like a batch. Raises the errors of ``send``.
        """
        yield from self._request(())

    def _request(self, lines: Sequence[bytes]) -> Steps[Verdicts]:
        try:
            call = self._call(lines)
            return (
                yield from with_retries(partial(self._exchange.request_once, call), self._timing)
            )
        except BadSession as refused:  # a 401 with a code that is not the API's
            raise to_bad_credentials(refused) from None

    def _batch(self, lines: Sequence[bytes]) -> Steps[Verdicts]:
        try:
            return (yield from self._request(lines))
        except TooLarge as refused:  # a proxy's limit may be lower than the server's
            if len(lines) == 1:
                return Verdicts(rejected=[Rejected(0, refused.code, refused.message)])
        except _Unlisted:  # smaller batches have fewer events to list
            if len(lines) == 1:
                raise UnexpectedAnswer("the response has no reason for a rejection") from None
        half = len(lines) // 2
        first = yield from self._batch(lines[:half])
        return first.merged((yield from self._batch(lines[half:])), half)

    def _call(self, lines: Sequence[bytes]) -> ApiCall[Verdicts]:
        headers = {
            "authorization": self._authorization,
            "content-type": "application/x-ndjson",
        }
        request = HttpRequest("POST", "/ingest/v1/events", content=b"".join(lines), headers=headers)

        def read(response: HttpResponse) -> Verdicts:
            return _read_answer(request, response).verdicts(len(lines))

        return ApiCall(request, read, frozenset({HTTPStatus.BAD_REQUEST}))


class _Unlisted(Exception):
    """The server rejected events without listing all of them."""


class _Answer(Struct, rename="camel"):
    """The server's response to a batch. ``more_rejected`` counts the events that it does not list.

    ``rejected`` is None if the response does not have it.
    """

    accepted: int = 0
    duplicates: int = 0
    rejected: list[Rejected] | None = None
    more_rejected: int = 0

    def verdicts(self, events: int) -> Verdicts:
        """Return the verdicts on a batch of this many events.

        Raises UnexpectedAnswer if the response does not account for each of them, and _Unlisted if
        it does not say which of them were rejected.
        """
        rejected = self.rejected or []
        indices = {one.index for one in rejected if 0 <= one.index < events}
        counts = (self.accepted, self.duplicates, self.more_rejected)
        if (
            min(counts) < 0
            or len(indices) != len(rejected)  # two verdicts on one event leave another without one
            or sum(counts) + len(rejected) != events
        ):
            raise UnexpectedAnswer(f"the response does not account for all {events} events")
        if self.more_rejected:
            raise _Unlisted
        return Verdicts(self.accepted, self.duplicates, rejected)


def _read_answer(request: HttpRequest, response: HttpResponse) -> _Answer:
    """Return the response's content, or raise the server's refusal."""
    if response.status != HTTPStatus.BAD_REQUEST:
        return decode(response, _Answer)
    try:
        answer = msgspec.json.decode(response.content, type=_Answer)
    except UNDECODABLE:
        answer = None
    if answer is None or answer.rejected is None:  # not the verdicts of a batch
        raise to_exception(request, response)
    return answer


def _batches(events: Iterable[CloudEvent]) -> Iterator[list[bytes]]:
    lines: list[bytes] = []
    size = 0
    for event in events:
        line = _encode(event) + b"\n"
        if lines and (len(lines) == MAX_BATCH_EVENTS or size + len(line) > MAX_BATCH_BYTES):
            yield lines
            lines, size = [], 0
        lines.append(line)
        size += len(line)
    if lines:
        yield lines
