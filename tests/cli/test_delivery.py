"""Sending to a server that fails in every way that servers fail, over a real socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus

import pytest

from floorcast.cli import delivery
from floorcast.cli.delivery import Delivery, Verdicts
from floorcast.connectors.cloud_event import CloudEvent
from floorcast.model.errors import Refusal, SettingError, Unavailable
from tests.cli.intake import DROP, Answer, Intake, running

EVENTS = [
    CloudEvent(
        id=str(number), source="s", type="call.end", time=datetime(2026, 3, 4, tzinfo=UTC), data={}
    )
    for number in range(3)
]
BUSY = Answer(HTTPStatus.SERVICE_UNAVAILABLE, {"code": 101, "message": "too busy"})


class Pauses:
    """Stands for the clock on the wall: remembers each pause and makes none."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.told: list[tuple[float, str]] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def waiting(self, seconds: float, why: str) -> None:
        self.told.append((seconds, why))


@contextmanager
def delivering(
    intake: Intake, pauses: Pauses, key: str = "k", chance: float = 1.0
) -> Iterator[Delivery]:
    with Delivery(
        intake.url, key, waiting=pauses.waiting, sleep=pauses.sleep, chance=lambda: chance
    ) as found:
        yield found


def test_a_batch_is_ndjson_with_the_key() -> None:
    """One request: the events one a line, the key as a bearer token, the verdicts back."""
    with running() as intake, delivering(intake, Pauses()) as found:
        assert found.send(EVENTS) == Verdicts(accepted=3, duplicates=0, rejected=[])
    (request,) = intake.requests
    assert request.path == "/ingest/v1/events"
    assert request.headers["authorization"] == "Bearer k"
    assert request.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line)["id"] for line in request.body.splitlines()] == ["0", "1", "2"]


def test_a_slash_behind_the_address_does_no_harm() -> None:
    """``http://host/`` and ``http://host`` are the same server."""
    with running() as intake:
        intake.url += "/"
        with delivering(intake, Pauses()) as found:
            found.send(EVENTS)
    assert intake.requests[0].path == "/ingest/v1/events"


@pytest.mark.parametrize(
    "failure",
    [
        BUSY,
        Answer(HTTPStatus.INTERNAL_SERVER_ERROR, {"code": 100, "message": "our fault"}),
        Answer(HTTPStatus.BAD_GATEWAY, None),
        Answer(HTTPStatus.TOO_MANY_REQUESTS, {"code": 429, "message": "slower"}),
    ],
)
def test_what_may_pass_is_tried_again(failure: Answer) -> None:
    """503, any other 5xx and 429: the same bytes again, until answered."""
    pauses = Pauses()
    with running(failure, failure) as intake, delivering(intake, pauses) as found:
        assert found.send(EVENTS).accepted == 3
    assert len(intake.requests) == 3
    assert len({request.body for request in intake.requests}) == 1
    assert pauses.slept == [0.25, 0.5]
    assert [seconds for seconds, _ in pauses.told] == pauses.slept


def test_an_acknowledgement_that_was_lost_gives_duplicates_not_events() -> None:
    """The server took the batch and died before it answered: sent again, it is all duplicates."""
    with running(DROP) as intake, delivering(intake, Pauses()) as found:
        assert found.send(EVENTS) == Verdicts(accepted=0, duplicates=3, rejected=[])


def test_a_server_that_is_not_there_yet_is_waited_for() -> None:
    """A refused connection is tried again; the server that starts meanwhile gets the batch."""
    with running() as intake:
        pauses = Pauses()
        intake.stop()

        def restart(seconds: float) -> None:
            pauses.sleep(seconds)
            intake.start()

        with Delivery(intake.url, "k", waiting=pauses.waiting, sleep=restart) as found:
            assert found.send(EVENTS).accepted == 3
    assert len(pauses.slept) == 1


def test_retry_after_is_the_least_that_is_waited() -> None:
    """The server's own pause, and the jittered one on top, so that sources do not come in step."""
    asked = BUSY.with_headers({"Retry-After": "7"})
    for chance, expected in [(0.0, 7.125), (1.0, 7.25)]:
        pauses = Pauses()
        with running(asked) as intake, delivering(intake, pauses, chance=chance) as found:
            found.send(EVENTS)
        assert pauses.slept == [expected]


def test_a_retry_after_that_is_no_number_is_left_alone() -> None:
    """A date, or nonsense, falls back to our own pause."""
    pauses = Pauses()
    dated = BUSY.with_headers({"Retry-After": "Wed, 04 Mar 2026 12:00:00 GMT"})
    with running(dated) as intake, delivering(intake, pauses) as found:
        found.send(EVENTS)
    assert pauses.slept == [0.25]


def test_the_pauses_grow_to_a_limit_and_start_small_again() -> None:
    """Doubled up to 15 s; a batch that got through resets them."""
    pauses = Pauses()
    with running(*[BUSY] * 8) as intake, delivering(intake, pauses) as found:
        found.send(EVENTS)
        intake.answers.append(BUSY)
        found.send(EVENTS)
    assert pauses.slept == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 0.25]


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """After so long without an answer the server is given up, and the last reason is told."""
    monkeypatch.setattr(delivery, "PATIENCE", 3.0)
    pauses = Pauses()
    with (
        running(*[BUSY] * 10) as intake,
        delivering(intake, pauses) as found,
        pytest.raises(Unavailable, match="given up after 2 s: 503, code 101: too busy"),
    ):
        found.send(EVENTS)
    assert pauses.slept == [0.25, 0.5, 1.0]


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (
            HTTPStatus.UNAUTHORIZED,
            {"code": 300, "message": "no such key"},
            "401, code 300: no such",
        ),
        (HTTPStatus.BAD_REQUEST, {"code": 203, "message": "not JSON"}, "400, code 203: not JSON"),
        (
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            {"code": 413, "message": "too large"},
            "413, code 413: too large",
        ),
        (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, None, "415 Unsupported Media Type"),
        (HTTPStatus.NOT_FOUND, None, "404 Not Found"),
        (HTTPStatus.OK, {"hello": "world"}, "200 OK"),
    ],
)
def test_what_cannot_pass_stops_at_once(
    status: int, body: dict[str, object] | None, reason: str
) -> None:
    """A wrong key, request or address: one try, and an error that says what the server said."""
    pauses = Pauses()
    with (
        running(Answer(status, body)) as intake,
        delivering(intake, pauses) as found,
        pytest.raises(Refusal, match=reason),
    ):
        found.send(EVENTS)
    assert pauses.slept == []


def test_a_batch_that_is_refused_whole_is_an_answer() -> None:
    """400 with verdicts: every event was refused, and each says why."""
    verdicts = {
        "accepted": 0,
        "duplicates": 0,
        "rejected": [{"index": 0, "id": "0", "code": 202, "message": "time: in the future"}],
        "code": 202,
        "message": "no event was accepted",
    }
    refused = Answer(HTTPStatus.BAD_REQUEST, verdicts)
    with running(refused) as intake, delivering(intake, Pauses()) as found:
        (rejected,) = found.send(EVENTS[:1]).rejected
    assert (rejected.index, rejected.id, rejected.code) == (0, "0", 202)


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "http://two..dots"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    """No amount of waiting makes it one."""
    with pytest.raises(SettingError, match="the server's address must be like"):
        Delivery(url, "k", waiting=Pauses().waiting)


def test_an_answer_that_cannot_be_decoded_is_none() -> None:
    """What a broken proxy says; the same is sent again."""
    pauses = Pauses()
    broken = BUSY.with_headers({"Content-Encoding": "gzip"})
    with running(broken) as intake, delivering(intake, pauses) as found:
        assert found.send(EVENTS).accepted == 3
    assert len(pauses.slept) == 1


@pytest.mark.parametrize("key", ["", "a b", "a\r\nX: y", "ключ"])
def test_a_key_that_cannot_be_one_is_refused(key: str) -> None:
    """Before anything is sent: it would not survive the header."""
    with pytest.raises(Refusal, match="ingest key"):
        Delivery("http://127.0.0.1", key, waiting=Pauses().waiting)
