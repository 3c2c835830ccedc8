"""Tests of both senders, for threads and for asyncio, with a server that fails in many ways."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from http import HTTPStatus

import httpx
import pytest

from floorcast.client import (
    AsyncSender,
    CloudEvent,
    Rejected,
    Sender,
    Timing,
    Verdicts,
    sender_protocol,
)
from floorcast.model import errors
from tests.client.intake import DROP, Answer, Intake, running

MOMENT = datetime(2026, 3, 4, tzinfo=UTC)
BUSY = Answer(HTTPStatus.SERVICE_UNAVAILABLE, {"code": 101, "message": "too busy"})


def events(count: int, size: int = 0) -> list[CloudEvent]:
    """Return ``count`` events, each with ``size`` bytes of text in its data."""
    data: dict[str, object] = {"note": "x" * size}
    return [
        CloudEvent(id=str(number), source="s", type="call.end", time=MOMENT, data=data)
        for number in range(count)
    ]


EVENTS = events(3)


class RecordedPauses:
    """Records a sender's pauses. Instead of waiting, it calls ``during``."""

    def __init__(self, patience: float, chance: float) -> None:
        self.slept: list[float] = []
        self.reported: list[tuple[float, str]] = []
        self.during: Callable[[], object] = lambda: None
        self.timing = Timing(
            patience=patience,
            waiting=lambda *reported: self.reported.append(reported),
            clock=lambda: sum(self.slept),
            chance=lambda: chance,
        )

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.during()


class BlockingHarness(RecordedPauses):
    """A harness for the sender for threads."""

    def __init__(self, url: str, key: str, patience: float, chance: float) -> None:
        super().__init__(patience, chance)
        self._sender = Sender(url, key, timing=self.timing, sleep=self.sleep)

    def send(self, events: Sequence[CloudEvent]) -> Verdicts:
        return self._sender.send(events)

    def close(self) -> None:
        self._sender.close()


class AsyncHarness(RecordedPauses):
    """A harness for the sender for asyncio, with an event loop."""

    def __init__(self, url: str, key: str, patience: float, chance: float) -> None:
        super().__init__(patience, chance)
        self._sender = AsyncSender(url, key, timing=self.timing, sleep=self._pause)
        self._runner = asyncio.Runner()

    async def _pause(self, seconds: float) -> None:
        self.sleep(seconds)

    def send(self, events: Sequence[CloudEvent]) -> Verdicts:
        return self._runner.run(self._sender.send(events))

    def close(self) -> None:
        self._runner.run(self._sender.aclose())
        self._runner.close()


Make = Callable[..., BlockingHarness | AsyncHarness]


@pytest.fixture(params=[BlockingHarness, AsyncHarness])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Yield a function that creates senders. The fixture closes them at the end."""
    made: list[BlockingHarness | AsyncHarness] = []

    def make_one(
        url: str, key: str = "k", patience: float = 60.0, chance: float = 1.0
    ) -> BlockingHarness | AsyncHarness:
        made.append(request.param(url, key, patience, chance))
        return made[-1]

    yield make_one
    for one in made:
        one.close()


def ids(intake: Intake) -> list[list[str]]:
    """Return the ids of each request's events."""
    return [[json.loads(line)["id"] for line in one.body.splitlines()] for one in intake.requests]


def test_a_batch_is_sent_as_ndjson_with_the_key(make: Make) -> None:
    """The request has one event per line, and the key as a bearer token.

    The sender returns the verdicts.
    """
    with running() as intake:
        assert make(intake.url + "/").send(EVENTS) == Verdicts(accepted=3)
    (request,) = intake.requests
    assert request.path == "/ingest/v1/events"
    assert request.headers["authorization"] == "Bearer k"
    assert request.headers["content-type"] == "application/x-ndjson"
    assert ids(intake) == [["0", "1", "2"]]


def test_no_request_is_sent_without_events(make: Make) -> None:
    """Without events, no request is sent, and the verdicts are empty."""
    with running() as intake:
        assert make(intake.url).send([]) == Verdicts()
    assert intake.requests == []


def test_events_are_sent_in_batches_by_number(make: Make) -> None:
    """The verdicts cover all batches, and their indices count from the first event."""
    refused = {"index": 1, "id": "1001", "code": 202, "message": "no"}
    verdicts = {"accepted": 1, "duplicates": 0, "rejected": [refused]}
    with running(None, Answer(200, verdicts)) as intake:
        found = make(intake.url).send(events(sender_protocol.MAX_BATCH_EVENTS + 2))
    assert [len(batch) for batch in ids(intake)] == [sender_protocol.MAX_BATCH_EVENTS, 2]
    assert found == Verdicts(1001, 0, [Rejected(1001, 202, "no", "1001")])


def test_events_are_sent_in_batches_by_size(make: Make) -> None:
    """A request has no more bytes than the server accepts, unless it has a single large event."""
    size = sender_protocol.MAX_BATCH_BYTES // 3
    with running() as intake:
        make(intake.url).send(events(5, size))
    assert ids(intake) == [["0", "1"], ["2", "3"], ["4"]]


@pytest.mark.parametrize(
    "failure",
    [
        BUSY,
        Answer(HTTPStatus.INTERNAL_SERVER_ERROR, {"code": 100, "message": "our fault"}),
        Answer(HTTPStatus.BAD_GATEWAY, None),
        Answer(HTTPStatus.TOO_MANY_REQUESTS, {"code": 429, "message": "slower"}),
        Answer(HTTPStatus.OK, None),
        BUSY.with_headers({"Content-Encoding": "gzip"}),
    ],
)
def test_temporary_failures_are_retried(make: Make, failure: Answer) -> None:
    """After 503, other 5xx, 429 or an unreadable response, the same bytes are sent again."""
    with running(failure, failure) as intake:
        sender = make(intake.url)
        assert sender.send(EVENTS).accepted == 3
    assert len(intake.requests) == 3
    assert len({request.body for request in intake.requests}) == 1
    assert sender.slept == [0.25, 0.5]
    assert [seconds for seconds, _ in sender.reported] == sender.slept


def test_a_lost_acknowledgement_leads_to_duplicates(make: Make) -> None:
    """If the server accepted a batch but sent no response, the retry reports duplicates."""
    with running(DROP) as intake:
        assert make(intake.url).send(EVENTS) == Verdicts(duplicates=3)


def test_a_refused_connection_is_retried(make: Make) -> None:
    """A refused connection is retried until the server has started."""
    with running() as intake:
        sender = make(intake.url)
        intake.stop()
        sender.during = intake.start
        assert sender.send(EVENTS).accepted == 3
    assert len(sender.slept) == 1


def test_retry_after_is_the_minimum_pause(make: Make) -> None:
    """The pause is Retry-After plus a random part, so that sources do not retry simultaneously."""
    for asked, chance, expected in [("7", 0.0, 7.0), ("7", 1.0, 7.25), ("nonsense", 1.0, 0.25)]:
        with running(BUSY.with_headers({"Retry-After": asked})) as intake:
            sender = make(intake.url, chance=chance)
            sender.send(EVENTS)
        assert sender.slept == [expected]


def test_pauses_double_up_to_a_limit_and_are_reset(make: Make) -> None:
    """Pauses double up to 15 s. A successful batch resets them."""
    with running(*[BUSY] * 8) as intake:
        sender = make(intake.url)
        sender.send(EVENTS)
        intake.answers.append(BUSY)
        sender.send(EVENTS)
    assert sender.slept == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 0.25]


def test_the_last_error_is_raised_when_patience_runs_out(make: Make) -> None:
    """If the patience runs out, the last error is raised, and no further request is sent."""
    with running(*[BUSY] * 10) as intake:
        sender = make(intake.url, patience=3.0)
        with pytest.raises(errors.Unavailable, match="too busy"):
            sender.send(EVENTS)
    assert sender.slept == [0.25, 0.5, 1.0]


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"code": 300, "message": "no such key"}, errors.BadCredentials),
        (401, None, errors.BadCredentials),
        (400, {"code": 203, "message": "not JSON"}, errors.NotAnObject),
        (415, None, errors.UnsupportedMedia),
        (404, None, errors.NotFound),
        (200, {"hello": "world"}, errors.UnexpectedAnswer),
        (200, {"accepted": 2, "duplicates": 0, "rejected": []}, errors.UnexpectedAnswer),
    ],
)
def test_permanent_failures_are_raised_immediately(
    make: Make, status: int, body: dict[str, object] | None, kind: type[Exception]
) -> None:
    """A wrong key or address, an unreadable request and incomplete verdicts are not retried."""
    with running(Answer(status, body)) as intake:
        sender = make(intake.url)
        with pytest.raises(kind):
            sender.send(EVENTS)
    assert sender.slept == []


def test_a_completely_rejected_batch_has_verdicts(make: Make) -> None:
    """The response 400 contains verdicts, which give the reason for each event."""
    rejected = [
        {"index": n, "id": str(n), "code": 202, "message": "time: in the future"} for n in (0, 1)
    ]
    refused = {"accepted": 0, "duplicates": 0, "rejected": rejected, "code": 202, "message": "no"}
    with running(Answer(HTTPStatus.BAD_REQUEST, refused)) as intake:
        found = make(intake.url).send(EVENTS[:2])
    assert [(one.index, one.id) for one in found.rejected] == [(0, "0"), (1, "1")]


def test_a_batch_that_is_too_large_is_halved(make: Make) -> None:
    """A batch is halved until a single event is too large. This event is rejected."""
    large = Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"code": 413, "message": "too large"})
    with running(large, None, large, large) as intake:
        found = make(intake.url).send(events(4))
    assert ids(intake) == [["0", "1", "2", "3"], ["0", "1"], ["2", "3"], ["2"], ["3"]]
    assert found == Verdicts(3, 0, [Rejected(2, 413, "too large")])


NO_REASON = {"code": 202, "message": "no"}


def verdict(index: int) -> dict[str, object]:
    """Return the server's verdict on the event at ``index``."""
    return {"index": index, "id": str(index), **NO_REASON}


@pytest.mark.parametrize("status", [HTTPStatus.OK, HTTPStatus.BAD_REQUEST])
@pytest.mark.parametrize(
    "body",
    [
        {"rejected": []},
        {"rejected": [verdict(0), verdict(1)]},
        {"rejected": [verdict(0), verdict(1), verdict(1)]},
        {"rejected": [verdict(0), verdict(1), verdict(3)]},
        {"rejected": [verdict(0), verdict(1), verdict(-1)]},
        {"accepted": -1, "duplicates": 1, "rejected": [verdict(0), verdict(1), verdict(2)]},
        {"rejected": [verdict(0)], "moreRejected": 1},
        {"rejected": [verdict(0)], "moreRejected": 3},
        {"rejected": [verdict(0), verdict(1), verdict(2)], "moreRejected": -1, "accepted": 1},
    ],
)
def test_verdicts_that_leave_an_event_out_are_an_error(
    make: Make, status: int, body: dict[str, object]
) -> None:
    """An event without a verdict is never lost in silence, whatever the response's status is."""
    with running(Answer(status, {**NO_REASON, **body})) as intake:
        sender = make(intake.url)
        with pytest.raises(errors.UnexpectedAnswer, match="does not account for all 3 events"):
            sender.send(EVENTS)
    assert sender.slept == []


def test_events_that_a_response_only_counts_are_sent_again(make: Make) -> None:
    """If a response lists only some of the rejected events, smaller batches get the others."""
    some = Answer(HTTPStatus.OK, {"accepted": 1, "rejected": [verdict(1)], "moreRejected": 2})
    left = Answer(HTTPStatus.OK, {"duplicates": 1, "rejected": [verdict(1)]})
    right = Answer(HTTPStatus.BAD_REQUEST, {**NO_REASON, "rejected": [verdict(0), verdict(1)]})
    with running(some, left, right) as intake:
        found = make(intake.url).send(events(4))
    assert ids(intake) == [["0", "1", "2", "3"], ["0", "1"], ["2", "3"]]
    assert (found.accepted, found.duplicates) == (0, 1)
    assert [one.index for one in found.rejected] == [1, 2, 3]


def test_a_rejection_without_a_verdict_is_an_error(make: Make) -> None:
    """If even the response to a single event has no verdict, the sender raises an error."""
    counted = Answer(HTTPStatus.BAD_REQUEST, {**NO_REASON, "rejected": [], "moreRejected": 1})
    with running(counted) as intake, pytest.raises(errors.UnexpectedAnswer, match="no reason"):
        make(intake.url).send(EVENTS[:1])


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "http://two..dots"])
def test_an_invalid_address_is_refused(make: Make, url: str) -> None:
    """An invalid address is refused when the sender is created."""
    with pytest.raises(errors.SettingError, match="the server's address must be like"):
        make(url)


@pytest.mark.parametrize("key", ["", "a b", "a\r\nX: y", "ключ"])
def test_a_key_that_is_invalid_in_a_header_is_refused(make: Make, key: str) -> None:
    """The key is refused when the sender is created, before any request."""
    with pytest.raises(errors.SettingError, match="ingest key"):
        make("http://127.0.0.1", key)


def test_a_context_manager_closes_the_connection() -> None:
    """After the block, both senders raise an error when they are used."""

    async def with_an_async_sender() -> None:
        async with AsyncSender(
            "http://test", "k", transport=httpx.MockTransport(_accept_all)
        ) as one:
            assert (await one.send(EVENTS)).accepted == 3
        with pytest.raises(RuntimeError, match="closed"):
            await one.send(EVENTS)

    with Sender("http://test", "k", transport=httpx.MockTransport(_accept_all)) as one:
        assert one.send(EVENTS).accepted == 3
    with pytest.raises(RuntimeError, match="closed"):
        one.send(EVENTS)
    asyncio.run(with_an_async_sender())


def _accept_all(request: httpx.Request) -> httpx.Response:
    count = len(request.content.splitlines())
    return httpx.Response(200, json={"accepted": count, "duplicates": 0, "rejected": []})
