"""Tests of the feeds over HTTP."""

from __future__ import annotations

import asyncio
import uuid

import httpx
import pytest
from starlette.types import Message

from floorcast.auth.passwords import Hasher
from floorcast.http.limits import ReaderLimits
from floorcast.model import token as tokens
from floorcast.model.errors import Unavailable
from floorcast.site.apply import apply
from floorcast.site.file_reader import parse
from tests.http.feed_events import agent_event, call_start, sms
from tests.http.servers import ACME, DAY, SITE, ApiHarness, run_with_harness

AGENT, EVENTS, CALLS = (
    "/realtime/agentEvent/feed",
    "/realtime/event/feed",
    "/realtime/callEvent/feed",
)


async def first_token(harness: ApiHarness, session: dict[str, str], path: str = EVENTS) -> str:
    """Return a token for the current time."""
    answer = await harness.http.post(path, headers=session)
    assert answer.status_code == 200
    token: str = answer.json()["token"]
    return token


async def ask(
    harness: ApiHarness, session: dict[str, str], body: object, path: str = EVENTS
) -> httpx.Response:
    """Send one feed request."""
    return await harness.http.post(path, headers=session, json=body)


def test_the_first_request_immediately_returns_a_current_token() -> None:
    """No body, an empty body, {} and a blank token all count as the first request."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        harness.publish([call_start])
        for content in (
            None,
            b"",
            b"  \n",
            b"{}",
            b'{"token": ""}',
            b'{"token":" "}',
            b'{"token":null}',
        ):
            answer = await harness.http.post(EVENTS, headers=session, content=content)
            assert answer.status_code == 200, content
            assert answer.json()["events"] == []
            assert list(answer.json()) == ["token", "events"]
            assert uuid.UUID(answer.json()["token"]).version == 1
        assert harness.loop.elapsed == 0

    run_with_harness(work)


def test_events_after_the_token_are_returned_once_and_in_order() -> None:
    """A reader that follows the tokens gets every event once, for any page size."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        token = await first_token(harness, session)
        expected = []
        for _ in range(5):
            expected += harness.publish([call_start] * 700)
        got: list[str] = []
        while len(got) < len(expected):
            answer = (await ask(harness, session, {"token": token}, EVENTS + "?count=600")).json()
            assert len(answer["events"]) in (600, 500)
            got += [event["eventId"] for event in answer["events"]]
            token = answer["token"]
        assert got == expected

    run_with_harness(work)


def test_a_request_without_new_events_waits_ten_seconds() -> None:
    """The response is then empty and has a new token for the current time."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        token = await first_token(harness, session)
        answer = await ask(harness, session, {"token": token})
        assert harness.loop.elapsed == pytest.approx(10.0)
        assert answer.json()["events"] == []
        fresh = answer.json()["token"]
        assert tokens.decode(ACME, fresh).ticks == harness.loop.now()
        assert harness.rings.waiting == 0

    run_with_harness(work)


def test_the_first_matching_event_ends_the_wait() -> None:
    """Events that the filter hides do not end the wait, but the token moves past them."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        token = await first_token(harness, session)
        body = {"token": token, "filter": {"interactionType": [{"type": "sms"}]}}
        waiting = asyncio.ensure_future(ask(harness, session, body))
        await harness.loop.passing(2)
        harness.publish([call_start])
        await harness.loop.passing(1)
        assert not waiting.done()
        (sms_id,) = harness.publish([sms], facets=("SMS", 38049, 1623))
        answer = (await waiting).json()
        assert harness.loop.elapsed == pytest.approx(3.0)
        assert [event["eventId"] for event in answer["events"]] == [sms_id]
        body["token"] = answer["token"]
        assert (await ask(harness, session, body)).json()["events"] == []

    run_with_harness(work)


def test_tokens_and_event_ids_work_in_both_feeds() -> None:
    """An eventId continues the feed after that event."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        token = await first_token(harness, session, AGENT)
        ids = harness.publish([call_start, agent_event, call_start, agent_event])
        events = (await ask(harness, session, {"token": token})).json()["events"]
        assert [event["eventId"] for event in events] == [ids[0], ids[2]]
        agents = (await ask(harness, session, {"token": ids[0]}, AGENT)).json()
        assert list(agents) == ["agentEvent", "token"]
        assert [event["eventId"] for event in agents["agentEvent"]] == [ids[1], ids[3]]
        events = (await ask(harness, session, {"token": ids[0].upper()})).json()["events"]
        assert [event["eventId"] for event in events] == [ids[2]]

    run_with_harness(work)


def test_the_deprecated_feed_has_only_voice_events_and_names_its_successor() -> None:
    """``events`` and ``callEvent`` are equal arrays. The headers name the successor."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        token = await first_token(harness, session)
        (call,) = harness.publish([call_start])
        harness.publish([sms], facets=("SMS", 38049, 1623))
        answer = await ask(harness, session, {"token": token}, CALLS)
        assert [event["eventId"] for event in answer.json()["events"]] == [call]
        assert answer.json()["events"] == answer.json()["callEvent"]
        assert answer.headers["deprecation"].startswith("@")
        assert answer.headers["link"] == '</realtime/event/feed>; rel="successor-version"'
        body = {"token": token, "filter": {"interactionType": [{"type": "SMS"}]}}
        assert (await ask(harness, session, body, CALLS)).json()["events"] == []

    run_with_harness(work)


def test_a_limited_user_sees_only_their_call_centers_in_both_feeds() -> None:
    """Events without a known call center are hidden."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login("limited")
        token = await first_token(harness, session)
        mine = harness.publish([call_start, agent_event])
        harness.publish([call_start, agent_event], facets=("VOICE", 2, 1700))
        harness.publish([call_start, agent_event], facets=("VOICE", None, None))
        events = (await ask(harness, session, {"token": token})).json()["events"]
        assert [event["eventId"] for event in events] == [mine[0]]
        agents = (await ask(harness, session, {"token": token}, AGENT)).json()["agentEvent"]
        assert [event["eventId"] for event in agents] == [mine[1]]

    run_with_harness(work)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_retired_methods_name_their_successor(method: str) -> None:
    """This holds for any method, with or without a session."""

    async def work(harness: ApiHarness) -> None:
        for path, successor in (
            ("/realtime/agentEvent", "/realtime/agentEvent/feed"),
            ("/realtime/v6.0/callEvent/", "/realtime/event/feed"),
        ):
            answer = await harness.http.request(method, path)
            assert answer.status_code == 410
            assert answer.json()["code"] == 410
            assert successor in answer.json()["message"]

    run_with_harness(work)


@pytest.mark.parametrize("count", ["500", "0750", "1000"])
def test_the_smallest_and_the_largest_count_are_accepted(count: str) -> None:
    """Leading zeros are ignored."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        answer = await harness.http.post(EVENTS, headers=session, params={"count": count})
        assert answer.status_code == 200

    run_with_harness(work)


@pytest.mark.parametrize(
    "count", ["499", "1001", "-500", "x", "", "500.0", "\u0665\u0660\u0660", "9" * 40]
)
def test_a_count_outside_its_range_is_refused(count: str) -> None:
    """The message shows the allowed range."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        answer = await harness.http.post(EVENTS, headers=session, params={"count": count})
        assert (answer.status_code, answer.json()["code"]) == (400, 202)
        assert "500 to 1,000" in answer.json()["message"]

    run_with_harness(work)


def test_a_token_older_than_a_day_gets_the_references_message() -> None:
    """The message shows the token's time in the client's zone, even if its position is known."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        await harness.loop.passing(1)
        (old,) = harness.publish([call_start])
        await harness.loop.passing(24 * 3600 + 1)
        session = await harness.login()
        answer = await ask(harness, session, {"token": old})
        assert answer.status_code == 400
        assert answer.json() == {
            "code": 202,
            "message": 'Time "2023-11-14 17:13:21-0500" is more than 24 hours old. '
            "This type of data is kept for 24 hours.",
        }

    run_with_harness(work)


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "cfaf0a70-1c52-11e6-8080-80808080808",
        "cfaf0a70-1c52-41e6-8080-808080808080",  # version 4
        "cfaf0a70-1c52-11e6-c080-808080808080",  # another variant
        "cfaf0a701c5211e68080808080808080",
        "{cfaf0a70-1c52-11e6-8080-808080808080}",
        "cfaf0a70-1c52-11e6-8080-8080808_8080",
        "\0",
        "\U0001f600" * 9,
        "00000000-0000-0000-0000-000000000000",
    ],
)
def test_a_malformed_token_is_refused(token: str) -> None:
    """The message shows the expected format."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        answer = await ask(harness, session, {"token": token})
        assert (answer.status_code, answer.json()["code"]) == (400, 202)
        assert answer.json()["message"].startswith("token must be a version 1 UUID")

    run_with_harness(work)


def test_a_token_from_the_future_is_refused() -> None:
    """The message says so."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        token = tokens.encode(999, harness.loop.now() + 60 * 10_000_000, 1)
        answer = await ask(harness, session, {"token": token})
        assert (answer.status_code, answer.json()["code"]) == (400, 202)
        assert "in the future" in answer.json()["message"]

    run_with_harness(work)


def test_a_foreign_token_is_read_as_its_time() -> None:
    """The response has the events recorded after that time, and no earlier events."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        harness.publish([call_start])
        await harness.loop.passing(5)
        foreign = tokens.encode(999, harness.loop.now(), 12345)
        vendor = foreign[:19] + "8080-808080808080"
        await harness.loop.passing(5)
        later = harness.publish([call_start])
        for token in (foreign, vendor):
            answer = await ask(harness, session, {"token": token})
            assert [event["eventId"] for event in answer.json()["events"]] == later

    run_with_harness(work)


def test_a_feed_that_is_not_switched_on_is_refused() -> None:
    """The response has status 403 and code 303."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login(client="CHILD")
        assert (await ask(harness, session, {}, AGENT)).status_code == 200
        for path in (EVENTS, CALLS):
            answer = await ask(harness, session, {}, path)
            assert (answer.status_code, answer.json()["code"]) == (403, 303)
            assert "not switched on" in answer.json()["message"]

    run_with_harness(work)


def test_a_disconnected_reader_stops_waiting() -> None:
    """The reader's place among the waiting readers becomes free immediately."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        token = await first_token(harness, session)
        gone = asyncio.Event()
        sent: list[Message] = []
        request = iter([{"type": "http.request", "body": b'{"token":"%b"}' % token.encode()}])

        async def receive() -> Message:
            for message in request:
                return message
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": EVENTS,
            "query_string": b"",
            "headers": [(b"lv-session", session["LV-Session"].encode())],
        }
        call = asyncio.ensure_future(harness.api(scope, receive, send))
        await harness.loop.passing(1)
        assert harness.rings.waiting == 1
        gone.set()
        await call
        assert harness.rings.waiting == 0
        assert harness.loop.elapsed == pytest.approx(1.0)

    run_with_harness(work)


def test_a_cancelled_reader_does_not_affect_the_others() -> None:
    """If one of several readers that wait together is cancelled, the others are not affected."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        token = await first_token(harness, session)
        harness.server.reader_limits = ReaderLimits(per_session=300)
        readers = [
            asyncio.ensure_future(ask(harness, session, {"token": token})) for _ in range(300)
        ]
        await harness.loop.passing(1)
        assert harness.rings.waiting == 300
        for reader in readers[::3]:
            reader.cancel()
        await harness.loop.passing(1)
        assert harness.rings.waiting == 200
        harness.publish([call_start])
        answers = await asyncio.gather(*readers, return_exceptions=True)
        alive = [answer for answer in answers if isinstance(answer, httpx.Response)]
        assert len(alive) == 200
        assert len({answer.content for answer in alive}) == 1
        assert harness.rings.waiting == 0

    run_with_harness(work)


def test_a_poll_gets_no_events_after_its_session_has_ended() -> None:
    """The ended session does not get an event that is recorded after the logout."""

    async def work(harness: ApiHarness) -> None:
        session, other = await harness.login(), await harness.login("manager")
        token = await first_token(harness, session)
        polls = [
            asyncio.ensure_future(ask(harness, headers, {"token": token}))
            for headers in (session, other)
        ]
        await harness.loop.passing(1)
        await harness.server.sessions.logout(session["LV-Session"])
        harness.publish([call_start])
        ended, answered = await asyncio.gather(*polls)
        assert (ended.status_code, ended.json()["code"]) == (401, 301)
        assert len(answered.json()["events"]) == 1

    run_with_harness(work)


UNLIMITED = 'name = "sysadmin", password = "correct horse", role = "Sysadmin"'
LIMITED = UNLIMITED + ", call_centers = [1700]"


async def change_site(harness: ApiHarness, site: str) -> None:
    """Apply a site file, and let the server read it."""
    await apply(harness.kv, parse(site), Hasher(memory_kib=8, passes=1))
    await harness.server.site.refresh()


def test_a_poll_starts_over_when_its_users_limits_change() -> None:
    """The response is empty and has the request's token.

    The next request applies the new limits.
    """

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        token = await first_token(harness, session)
        poll = asyncio.ensure_future(ask(harness, session, {"token": token}))
        await harness.loop.passing(1)
        await change_site(harness, SITE.replace(UNLIMITED, LIMITED, 1))
        harness.publish([call_start])
        answer = (await poll).json()
        assert answer["events"] == []
        await change_site(harness, SITE)
        again = await ask(harness, session, {"token": answer["token"]})
        assert len(again.json()["events"]) == 1

    run_with_harness(work)


def test_release_answers_all_readers_immediately() -> None:
    """A server that stops releases its readers. Their tokens stay valid."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        token = await first_token(harness, session)
        reader = asyncio.ensure_future(ask(harness, session, {"token": token}))
        await harness.loop.passing(1)
        harness.rings.release()
        assert (await reader).json()["events"] == []
        assert (await ask(harness, session, {"token": token})).status_code == 200
        assert harness.loop.elapsed == pytest.approx(1.0)

    run_with_harness(work)


def test_an_unreadable_store_gives_a_503() -> None:
    """The response has a Retry-After header."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        token = await first_token(harness, session)
        for _ in range(3):
            harness.publish([call_start] * 1000)
        harness.rings.seal()
        harness.store.error = Unavailable("the log cannot be read", 7)
        answer = await ask(harness, session, {"token": token})
        assert (answer.status_code, answer.json()["code"]) == (503, 101)
        assert answer.headers["retry-after"] == "7"

    run_with_harness(work)


def test_large_pages_are_compressed_and_shared() -> None:
    """Two readers of a page get the same bytes, with or without gzip."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        token = await first_token(harness, session)
        harness.publish([call_start] * 1000)
        plain = await harness.http.post(
            EVENTS, headers=session | {"accept-encoding": "identity"}, json={"token": token}
        )
        packed = await harness.http.post(
            EVENTS, headers=session | {"accept-encoding": "gzip"}, json={"token": token}
        )
        assert "content-encoding" not in plain.headers
        assert packed.headers["content-encoding"] == "gzip"
        assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 5
        assert plain.content == packed.content

    run_with_harness(work)


def test_a_repeated_request_gets_a_current_token() -> None:
    """A day later, the same request gets a token for the current time."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        token = await first_token(harness, session)
        harness.publish([call_start])
        answers = [(await ask(harness, session, {"token": token})).json() for _ in range(2)]
        assert answers[0] == answers[1]
        for _ in range(23):
            await harness.loop.passing(3600)
            await harness.http.get("/session/validate/" + session["LV-Session"])
        later = (await ask(harness, session, {"token": token})).json()
        assert later["events"] == answers[0]["events"]
        assert tokens.decode(ACME, later["token"]).ticks == harness.loop.now()

    run_with_harness(work)


def test_a_token_stays_valid_while_there_are_no_events() -> None:
    """On a quiet weekend, each response has a token for its own time."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        harness.publish([call_start])
        token = await first_token(harness, session)
        for _ in range(40):
            await harness.loop.passing(3600)
            answer = await ask(harness, session, {"token": token})
            assert answer.status_code == 200, answer.text
            token = answer.json()["token"]
        assert harness.loop.now() - harness.log.head(ACME).recorded_at > DAY
        ids = harness.publish([call_start])
        events = (await ask(harness, session, {"token": token})).json()["events"]
        assert [event["eventId"] for event in events] == ids

    run_with_harness(work)


def test_a_token_of_another_node_waits_for_its_position() -> None:
    """The reader is briefly ahead of the new node, but gets no event twice."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        harness.publish([call_start])
        harness.log.lost = harness.loop.now()
        soon = harness.loop.now() + tokens.TICKS_PER_SECOND
        ahead = tokens.encode(ACME, soon, tokens.position(2, 0))
        asked = asyncio.ensure_future(ask(harness, session, {"token": ahead}))
        await harness.loop.passing(1)
        assert not asked.done()
        ids = harness.publish([call_start, call_start])
        answer = await asked
        assert [each["eventId"] for each in answer.json()["events"]] == ids[1:]

    run_with_harness(work)


def test_a_position_that_is_not_reached_gives_a_503() -> None:
    """This is the response while the node may lack entries.

    Otherwise, the token belongs to another log.
    """

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        ids = harness.publish([call_start, call_start])
        harness.log.lost = harness.loop.now()
        ahead = {"token": tokens.encode(ACME, harness.loop.now() + 1, tokens.position(2, 0))}
        answer = await ask(harness, session, ahead)
        assert (answer.status_code, answer.json()["code"]) == (503, 101)
        assert 5 < harness.loop.elapsed < 20
        harness.log.lost = harness.loop.now()
        recorded_at = tokens.encode(
            ACME, tokens.decode(ACME, ids[0]).ticks - 1, tokens.position(9, 0)
        )
        answer = await ask(harness, session, {"token": recorded_at})
        assert len(answer.json()["events"]) == 2

    run_with_harness(work)


@pytest.mark.parametrize("path", [EVENTS, CALLS, f"{EVENTS}/sse"])
def test_a_filter_in_the_query_of_a_post_is_refused(path: str) -> None:
    """If the server ignored the filter, the response would contain all events."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        answer = await harness.http.post(path, headers=session, params={"filter": "{}"})
        assert (answer.status_code, answer.json()["code"]) == (400, 202)
        assert "body" in answer.json()["message"]

    run_with_harness(work)
