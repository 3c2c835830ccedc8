"""Tests of the streams over HTTP: refusals, starting positions, and visible events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlencode

import pytest
from starlette.types import Message

from floorcast.auth.passwords import Hasher
from floorcast.http.handlers.streams import TAKE_OVER
from floorcast.http.limits import ReaderLimits
from floorcast.model import token as tokens
from floorcast.site.apply import apply
from floorcast.site.file_reader import parse
from floorcast.sse.framing import StreamFormat
from tests.http.feed_events import agent_event, call_start, sms
from tests.http.servers import ACME, CHILD, SITE, ApiHarness, run_with_harness
from tests.sse.connections import Connection, messages, stream_text

EVENTS, AGENTS = "/realtime/event/feed/sse", "/realtime/agentEvent/feed/sse"
SUPERUSER = 'name = "superuser", password = "correct horse", role = "Superuser"'
HEADERS = list[tuple[bytes, bytes]]


class Stream:
    """A request for a stream, and its result."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.connection: Connection | None = None

    @property
    def text(self) -> bytes:
        """The stream's text so far."""
        assert self.connection is not None, self.body
        form = StreamFormat(
            gzip=self.headers.get("content-encoding") == "gzip",
            chunked=self.headers.get("transfer-encoding") == "chunked",
        )
        return stream_text(self.connection.got, form)

    @property
    def events(self) -> list[str]:
        """The eventIds of the events so far."""
        lines = b"\n".join(messages(self.text)).split(b"\n")
        data = [line.removeprefix(b"data: ") for line in lines if line.startswith(b"data: ")]
        return [json.loads(line)["eventId"] for line in data]

    @property
    def error(self) -> tuple[int, int, str]:
        """The response to a refused request."""
        body = json.loads(self.body)
        return self.status, body["code"], body["message"]


async def ask(
    harness: ApiHarness,
    headers: Mapping[str, str],
    body: object = None,
    *,
    path: str = EVENTS,
    method: str = "POST",
    version: str = "1.1",
    is_gone: bool = False,
    **query: str,
) -> Stream:
    """Request a stream as the transport does. ``is_gone``: the caller has disconnected by then."""
    stream = Stream()
    sent = b"" if body is None else json.dumps(body).encode()

    async def receive() -> Message:
        return {"type": "http.request", "body": sent}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            stream.status = message["status"]
            stream.headers = {n.decode(): v.decode() for n, v in message["headers"]}
        else:
            stream.body += message["body"]

    def take_over(head: HEADERS, protocol: asyncio.Protocol) -> bool:
        if is_gone:
            return False
        stream.status = 200
        stream.headers = {name.decode(): value.decode() for name, value in head}
        stream.connection = Connection(protocol)
        return True

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "http_version": version,
        "query_string": urlencode(query).encode(),
        "headers": [(n.lower().encode(), v.encode()) for n, v in headers.items()],
        "extensions": {TAKE_OVER: take_over},
    }
    await harness.api(scope, receive, send)
    return stream


def test_a_stream_starts_now_and_sends_new_events() -> None:
    """Each event has one data line. Caches must not store the response."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        harness.publish([call_start])
        stream = await ask(harness, session, {})
        assert stream.headers == {
            "content-type": "text/event-stream",
            "cache-control": "no-store",
            "vary": "accept-encoding",
            "x-accel-buffering": "no",
            "transfer-encoding": "chunked",
            "connection": "close",
        }
        (later,) = harness.publish([call_start])
        await harness.loop.passing(1)
        assert stream.text.startswith(b'data: {"eventId":"%b",' % later.encode())
        assert stream.events == [later]

    run_with_harness(work)


def test_keepalives_have_the_time_in_the_clients_zone() -> None:
    """The time has the reference's format."""

    async def work(harness: ApiHarness) -> None:
        stream = await ask(harness, await harness.login())
        await harness.loop.passing(21)
        assert stream.text == (
            b": keepalive 2023-11-14 17:13:30-0500\n\n: keepalive 2023-11-14 17:13:40-0500\n\n"
        )

    run_with_harness(work)


def test_a_stream_resumes_after_a_token_or_an_event_id() -> None:
    """The stream first sends past events in feed order, and then new events."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        await harness.loop.passing(1)
        ids = harness.publish([call_start] * 1500)
        for at in (0, 700, 1499):
            stream = await ask(harness, session, {"token": ids[at]})
            await harness.loop.passing(0.5)
            assert stream.events == ids[at + 1 :]
            ids += harness.publish([call_start])
            await harness.loop.passing(0.5)
            assert stream.events == ids[at + 1 :]

    run_with_harness(work)


def test_filters_and_user_limits_apply_to_streams() -> None:
    """Both apply as in long polls, and in both feeds."""

    async def work(harness: ApiHarness) -> None:
        session, limited = await harness.login(), await harness.login("limited")
        voice = {"filter": {"interactionType": [{"type": "voice"}], "service": [{"id": "2"}]}}
        filtered = await ask(harness, session, voice)
        queried = await ask(harness, session, method="GET", filter=json.dumps(voice["filter"]))
        seen = await ask(harness, limited)
        agents = await ask(harness, limited, path=AGENTS)
        mine = harness.publish([call_start, agent_event])
        other = harness.publish([call_start, agent_event], facets=("VOICE", 2, 1700))
        harness.publish([sms], facets=("SMS", 2, 1700))
        await harness.loop.passing(1)
        assert filtered.events == queried.events == [other[0]]
        assert seen.events == [mine[0]]
        assert agents.events == [mine[1]]

    run_with_harness(work)


@pytest.mark.parametrize("path", [EVENTS, AGENTS])
def test_an_event_source_resumes_after_its_last_event_id(path: str) -> None:
    """Each event has an id. The browser's header takes precedence over the page's token."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        begin = tokens.encode(ACME, harness.loop.now(), harness.floors[ACME].feeds["agent"].through)
        await harness.loop.passing(1)
        ids = harness.publish([call_start, agent_event, call_start, agent_event])
        wanted = ids[::2] if path == EVENTS else ids[1::2]
        stream = await ask(harness, session, path=path, method="GET", token=begin)
        await harness.loop.passing(1)
        said = messages(stream.text)
        assert said[0].startswith(b"id: ")
        found = [line.split(b"\n")[0].removeprefix(b"id: ").decode() for line in said[1:]]
        assert found == wanted
        assert stream.events == wanted
        for last, rest in ((said[0][4:].decode(), wanted), (wanted[0], wanted[1:])):
            headers = {**session, "Last-Event-ID": last}
            again = await ask(harness, headers, path=path, method="GET", token="nonsense")
            await harness.loop.passing(1)
            assert again.events == rest

    run_with_harness(work)


def test_the_cookie_is_accepted_only_for_get_streams() -> None:
    """Another site's page could make a browser send other requests."""

    async def work(harness: ApiHarness) -> None:
        cookie = {"Cookie": "LV-Session=" + (await harness.login())["LV-Session"]}
        for path in (EVENTS, AGENTS):
            assert (await ask(harness, cookie, path=path, method="GET")).status == 200
            assert (await ask(harness, cookie, path=path)).error[:2] == (401, 301)

    run_with_harness(work)


def test_refused_streams_get_a_json_error() -> None:
    """The response has an error status and does not begin a stream."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        auditor, child = await harness.login("auditor"), await harness.login(client="CHILD")
        html = {**session, "Accept": "text/html, application/json"}
        refusals = [
            (await ask(harness, {}), 401, 301, "LV-Session"),
            (await ask(harness, auditor), 403, 302, "Auditor"),
            (await ask(harness, child), 403, 303, "not switched on"),
            (await ask(harness, html), 406, 406, "text/event-stream"),
            (await ask(harness, session, {"token": "x"}), 400, 202, "token must be"),
            (await ask(harness, session, {"filter": {"x": []}}), 400, 202, "filter.x"),
            (await ask(harness, session, [1]), 400, 203, "object"),
            (await ask(harness, session, {}, count="499"), 400, 202, "500 to 1,000"),
            (await ask(harness, session, method="GET", filter="{"), 400, 202, "URL-encoded"),
            (await ask(harness, session, method="GET", filter="[]"), 400, 202, "an object"),
            (await ask(harness, session, method="PUT"), 405, 405, "use GET or POST"),
        ]
        for stream, status, code, words in refusals:
            assert stream.error[:2] == (status, code)
            assert words in stream.error[2]
            assert stream.headers["content-type"] == "application/json"
        for accept in ("*/*", "text/*", "text/event-stream, application/json"):
            assert (await ask(harness, {**session, "Accept": accept})).connection is not None

    run_with_harness(work)


def test_streams_support_gzip_and_http_1_0() -> None:
    """A stream is compressed if the caller accepts gzip, and chunked if HTTP/1.1 is used."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        streams = [
            await ask(harness, {**session, **headers}, version=version)
            for headers in ({}, {"Accept-Encoding": "gzip"})
            for version in ("1.0", "1.1")
        ]
        ids = harness.publish([call_start] * 3)
        await harness.loop.passing(11)
        harness.streams.release()
        await harness.loop.passing(1)
        for stream in streams:
            assert stream.events == ids
            assert stream.text == streams[0].text
            assert stream.connection is not None
            assert stream.connection.lost
        assert ["content-encoding" in stream.headers for stream in streams] == [False] * 2 + [
            True
        ] * 2

    run_with_harness(work)


def test_head_returns_the_headers_without_starting_a_stream() -> None:
    """The response has the same headers as for GET."""

    async def work(harness: ApiHarness) -> None:
        stream = await ask(harness, await harness.login(), method="HEAD")
        assert (stream.status, stream.body, stream.connection) == (200, b"", None)
        assert stream.headers["content-type"] == "text/event-stream"
        assert not harness.streams.readers

    run_with_harness(work)


def end_session(harness: ApiHarness, session: str) -> Awaitable[object]:
    return harness.server.sessions.logout(session)


async def switch_feed_off(harness: ApiHarness, _session: str) -> None:
    harness.floors[CHILD].feeds["agent"].switched_on = False


@pytest.mark.parametrize(
    ("change", "why"),
    [(end_session, b"has ended"), (switch_feed_off, b"not switched on")],
)
def test_a_stream_ends_when_its_reader_loses_access(
    change: Callable[[ApiHarness, str], Awaitable[object]], why: bytes
) -> None:
    """The stream ends with a comment at the next keep-alive."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login(client="CHILD")
        stream = await ask(harness, session, path=AGENTS)
        await harness.loop.passing(15)
        await change(harness, session["LV-Session"])
        await harness.loop.passing(11)
        assert stream.text.count(b": keepalive") == 1
        assert why in stream.text.splitlines()[-2]
        assert not harness.streams.readers

    run_with_harness(work)


@pytest.mark.parametrize(("role", "goes_on"), [("Superuser", True), ("Auditor", False)])
def test_an_alert_stream_ends_when_its_users_rights_change(role: str, goes_on: bool) -> None:
    """Each route has its own rights. A superuser sees alerts but has no feed."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login("superuser")
        stream = await ask(harness, session, path="/realtime/alerts/sse", method="GET")
        assert stream.status == 200, stream.body
        await harness.loop.passing(1)
        assert messages(stream.text)[0].startswith(b"id: "), "the browser resumes by the id"
        now = SUPERUSER.replace("Superuser", role) + ", call_centers = [1700]"
        changed = SITE.replace(SUPERUSER, now, 1)
        assert changed != SITE
        await apply(harness.kv, parse(changed), Hasher(memory_kib=8, passes=1))
        await harness.server.site.refresh()
        await harness.loop.passing(26)
        assert (b"may not use the service methods" in stream.text) is not goes_on
        assert (b"what the user may see has changed" in stream.text) is goes_on

    run_with_harness(work)


def test_a_reader_without_access_gets_no_more_events() -> None:
    """The reader does not even get events before the next keep-alive. Other readers continue."""

    async def work(harness: ApiHarness) -> None:
        other = await ask(harness, await harness.login("manager"), path=EVENTS)
        session = await harness.login(client="ACME")
        stream = await ask(harness, session, path=EVENTS)
        harness.publish([call_start])
        await harness.loop.passing(1)
        assert len(stream.events) == len(other.events) == 1
        await end_session(harness, session["LV-Session"])
        harness.publish([call_start])
        await harness.loop.passing(1)
        assert (len(stream.events), len(other.events)) == (1, 2)
        assert b": closed: the session is unknown or has ended" in stream.text

    run_with_harness(work)


def test_a_stream_waits_while_its_floor_is_rebuilt() -> None:
    """The stream sends keep-alives during the rebuild, and all events afterwards."""

    async def work(harness: ApiHarness) -> None:
        stream = await ask(harness, await harness.login())
        floor = harness.server.floors.pop(ACME)
        await harness.loop.passing(35)
        assert stream.text.count(b": keepalive") == 3
        harness.publish([call_start])  # as a floor that is being rebuilt does
        harness.server.floors[ACME] = floor
        await harness.loop.passing(1)
        assert len(stream.events) == 1

    run_with_harness(work)


def test_an_event_source_reconnects_while_a_floor_is_rebuilt() -> None:
    """A browser's EventSource stops permanently at a 503, so only programs get that status."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        del harness.server.floors[ACME]
        browser = {**session, "Accept": "text/event-stream"}
        stream = await ask(harness, browser, method="GET")
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
        assert stream.body.startswith(b"retry: 2000\n\n: closed: ")
        assert (await ask(harness, session, method="GET")).status == 503
        assert (await ask(harness, browser, method="POST")).status == 503

    run_with_harness(work)


def test_readers_are_limited_per_session() -> None:
    """Streams and waiting polls count together. A reader that leaves makes room."""

    async def work(harness: ApiHarness) -> None:
        harness.server.reader_limits = ReaderLimits(per_session=2)
        session, other = await harness.login(), await harness.login("manager")
        first = await ask(harness, session)
        token = (await harness.http.post(EVENTS[: -len("/sse")], headers=session)).json()["token"]
        poll = asyncio.ensure_future(
            harness.http.post(EVENTS[: -len("/sse")], headers=session, json={"token": token})
        )
        await harness.loop.passing(1)
        refused = await ask(harness, session)
        assert refused.error[:2] == (429, 429)
        assert int(refused.headers["retry-after"]) >= 1
        assert (await ask(harness, other)).status == 200
        assert first.connection is not None
        first.connection.abort()
        await harness.loop.passing(1)
        assert (await ask(harness, session)).status == 200
        assert (await poll).status_code == 200
        assert (await ask(harness, session)).status == 200
        assert (await ask(harness, session)).status == 429

    run_with_harness(work)


def test_a_stream_keeps_its_session_in_use() -> None:
    """The session lives longer than an unused session."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        stream = await ask(harness, session)
        for _ in range(60):
            await harness.loop.passing(240)
            harness.publish([call_start])
        await harness.loop.passing(1)
        assert len(stream.events) == 60
        assert harness.server.sessions.validate(session["LV-Session"])

    run_with_harness(work)


def test_streams_are_counted() -> None:
    """The metrics count open and opened streams, events and bytes."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        streams = [await ask(harness, session) for _ in range(3)]
        harness.publish([call_start] * 2)
        await harness.loop.passing(1)
        metrics = (await harness.http.get("/metrics")).text
        sent = sum(len(stream.connection.got) for stream in streams if stream.connection)
        assert "floorcast_feed_open_streams 3.0" in metrics
        opened = f'floorcast_requests_total{{route="{EVENTS}",status="200"}} 3.0'
        assert opened in metrics
        assert "floorcast_feed_stream_events_total 6.0" in metrics
        assert f"floorcast_feed_stream_bytes_total {float(sent)}" in metrics
        assert "floorcast_feed_slow_readers_closed_total 0.0" in metrics

    run_with_harness(work)


def test_a_caller_that_has_gone_takes_no_place() -> None:
    """Otherwise, it would count among its session's readers and the open streams forever."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        for _ in range(100):
            await ask(harness, session, is_gone=True)
        assert (await ask(harness, session)).status == 200
        metrics = (await harness.http.get("/metrics")).text
        assert "floorcast_feed_open_streams 1.0" in metrics

    run_with_harness(work)


def test_streams_are_refused_without_the_transport() -> None:
    """If another server runs the application, it refuses streams and explains why."""

    async def work(harness: ApiHarness) -> None:
        answer = await harness.http.post(EVENTS, headers=await harness.login())
        assert (answer.status_code, answer.json()["code"]) == (503, 101)

    run_with_harness(work)
