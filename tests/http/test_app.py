"""Tests of the API as an application, from request to response, and during the start."""

from __future__ import annotations

import asyncio

import httpx
import msgspec
import pytest
import structlog
from starlette.types import Message, Receive, Scope, Send

from floorcast.http.app import WAIT_SECONDS, Api, RouteTable, StartupApp
from floorcast.http.error_responses import MethodNotAllowed
from floorcast.http.request_context import RequestContext
from floorcast.http.responses import Response
from floorcast.http.routing import ANY, Route
from floorcast.model.errors import NotFound
from tests import virtual_time
from tests.http.feed_events import call_start
from tests.http.servers import TOKENS, ApiHarness, run_with_harness
from tests.virtual_time import VirtualLoop

FEED = "/realtime/event/feed"
LOGIN = b'{"clientName": "ACME", "userName": "sysadmin", "password": "correct horse"}'


def test_unknown_paths_and_methods_are_refused() -> None:
    """404 needs no session, 405 lists the allowed methods, and OPTIONS returns them."""

    async def work(harness: ApiHarness) -> None:
        answer = await harness.http.get("/realtime/nothing")
        assert (answer.status_code, answer.json()["code"]) == (404, 404)
        assert "/docs" in answer.json()["message"]
        answer = await harness.http.get(FEED)
        assert (answer.status_code, answer.json()["code"]) == (405, 405)
        assert answer.headers["allow"] == "OPTIONS, POST"
        answer = await harness.http.options(FEED)
        assert (answer.status_code, answer.headers["allow"]) == (204, "OPTIONS, POST")

    run_with_harness(work)


@pytest.mark.parametrize(
    "session", [{}, {b"LV-Session": b""}, {b"LV-Session": b"x"}, {b"LV-Session": b"\x01\xe9"}]
)
def test_a_session_is_required(session: dict[bytes, bytes]) -> None:
    """A missing, blank or unknown session gets 401 with code 301."""

    async def work(harness: ApiHarness) -> None:
        answer = await harness.http.post(FEED, headers=session)
        assert (answer.status_code, answer.json()["code"]) == (401, 301)
        assert answer.headers["www-authenticate"].startswith("LV-Session")
        assert answer.headers["cache-control"] == "no-store"

    run_with_harness(work)


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", FEED, "LV-Session"),
        ("GET", f"{FEED}/sse", "LV-Session"),
        ("POST", "/session/login", "LV-Access"),
        ("POST", "/session/login", "Authorization"),
        ("POST", "/session/login", "Content-Type"),
        ("POST", "/session/screen", "Authorization"),
        ("GET", "/metrics/floor", "Authorization"),
        ("POST", "/ingest/v1/events", "Authorization"),
    ],
)
def test_a_credential_can_be_sent_only_once(method: str, path: str, name: str) -> None:
    """Two headers get 400, even if they are equal: a proxy may have checked the other one."""

    async def work(harness: ApiHarness) -> None:
        for other in ("x", "y"):
            answer = await harness.http.request(
                method, path, headers=[(name, "x"), (name, other)], content=LOGIN
            )
            assert (answer.status_code, answer.json()["code"]) == (400, 202)
            assert answer.json()["message"] == f"the request has more than one {name} header"

    run_with_harness(work)


@pytest.mark.parametrize(
    ("user", "feeds", "call_data"),
    [
        ("sysadmin", True, True),
        ("manager", True, False),
        ("superuser", False, True),
        ("auditor", False, False),
    ],
)
def test_methods_are_limited_by_role(user: str, feeds: bool, call_data: bool) -> None:
    """Other roles get 403 with code 302 and the list of allowed roles."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login(user)
        for method, path, allowed, status in (
            ("POST", FEED, feeds, 200),
            ("POST", "/realtime/agentEvent/feed", feeds, 200),
            ("POST", "/realtime/callEvent/feed", feeds, 200),
            ("GET", "/realtime/callData/inCall?session=s&transaction=1", call_data, 404),
            ("GET", "/realtime/callData/postCall?session=s&transaction=1", call_data, 404),
        ):
            answer = await harness.http.request(method, path, headers=session)
            assert answer.status_code == (status if allowed else 403), path
            if not allowed:
                assert answer.json()["code"] == 302
                assert "Sysadmin" in answer.json()["message"]

    run_with_harness(work)


def test_the_accept_header_must_admit_json() -> None:
    """The response is JSON, or 406."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        answer = await harness.http.post(FEED, headers=session | {"accept": "text/html"})
        assert (answer.status_code, answer.json()["code"]) == (406, 406)
        retired = await harness.http.get("/realtime/callEvent", headers={"accept": "text/html"})
        assert retired.status_code == 410
        accept = {"accept": "text/event-stream, application/json"}
        assert (await harness.http.post(FEED, headers=session | accept)).status_code == 200

    run_with_harness(work)


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ({}, b"[", 400, 203),
        ({}, b"[]", 400, 203),
        ({}, b'{"token":"\xff"}', 400, 203),
        ({}, b'{"filter":' + b"[" * 100_000, 400, 203),
        ({}, b'{"token":5}', 400, 202),
        ({}, b'{"token":"\\u0000"}', 400, 202),
        ({}, b'{"filter":{"service":[{"id":1e400}]}}', 400, 202),
        ({}, b'{"filter":{"services":[]}}', 400, 202),
        ({}, b'{"filter":{"service":[{}]}}', 400, 201),
        ({}, b" " * (1 << 20) + b"{}", 413, 413),
        ({"content-type": "text/xml"}, b"<x/>", 415, 415),
        ({"content-encoding": "br"}, b"{}", 415, 415),
        ({"content-encoding": "gzip"}, b"\x1f\x8b\x08", 400, 203),
        ({"content-encoding": "gzip"}, b"{}", 400, 203),
    ],
)
def test_invalid_bodies_are_refused(
    headers: dict[str, str], body: bytes, status: int, code: int
) -> None:
    """Each body gets its own error, and none gets a 500."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        answer = await harness.http.post(FEED, headers=session | headers, content=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert set(answer.json()) == {"code", "message"}

    run_with_harness(work)


def test_a_starting_server_responds_with_503() -> None:
    """Health checks and retired methods are exceptions."""

    async def work(harness: ApiHarness) -> None:
        harness.server.readiness.ready = False
        for path, status in (
            ("/session/login", 503),
            (FEED, 503),
            ("/realtime/callEvent", 410),
            ("/nothing", 404),
        ):
            answer = await harness.http.post(path)
            assert answer.status_code == status
            if status == 503:
                assert answer.json() == {"code": 101, "message": "the server is starting"}
                assert int(answer.headers["retry-after"]) >= 1

    run_with_harness(work)


def test_an_internal_error_is_reported_only_by_an_id() -> None:
    """The log has the id and the exception. The response has only the id."""

    async def raise_key_error(_exchange: RequestContext) -> Response:
        """Raises an exception."""
        raise KeyError("a secret of ours")

    async def work(harness: ApiHarness) -> None:
        route = Route(method="GET", path="/broken", handler=raise_key_error, doc="Breaks.")
        transport = harness.http._transport  # noqa: SLF001 - httpx has no other way to swap the app
        transport.app = Api(harness.server, (route,))  # type: ignore[attr-defined] # ASGITransport
        with structlog.testing.capture_logs() as logs:
            answer = await harness.http.get("/broken")
        assert (answer.status_code, answer.json()["code"]) == (500, 100)
        assert "secret" not in answer.text
        fault = next(line for line in logs if line["event"] == "fault")
        assert fault["id"] in answer.json()["message"]
        assert isinstance(fault["exc_info"], KeyError)

    run_with_harness(work)


def test_requests_are_logged_without_secrets() -> None:
    """The log has the route's path and no query.

    The request's own path may contain a session id.
    """

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        with structlog.testing.capture_logs() as logs:
            await harness.http.get(f"/session/validate/{session['LV-Session']}")
            await harness.http.post(FEED + "?count=500&x=secret", headers=session)
            await harness.http.get("/nothing/secret")
        lines = [line for line in logs if line["event"] == "request"]
        assert [line["path"] for line in lines] == ["/session/validate/{sessionId}", FEED, "-"]
        assert [line["client"] for line in lines] == [None, 47415, None]
        assert [line["user"] for line in lines] == [None, 9001, None]
        assert [line["status"] for line in lines] == [204, 200, 404]
        assert all(line["ms"] >= 0 and line["log_level"] == "info" for line in lines)
        assert "secret" not in repr(logs)
        assert session["LV-Session"] not in repr(logs)

    run_with_harness(work)


def test_logins_and_ingest_are_logged_with_their_client() -> None:
    """They have no session when they begin. A wrong password is logged with the user, too."""

    async def work(harness: ApiHarness) -> None:
        key = {"Authorization": "Bearer acme-key-for-testing"}
        with structlog.testing.capture_logs() as logs:
            session = await harness.login()
            await harness.http.post(
                "/session/login",
                headers={"LV-Access": TOKENS["ACME"]},
                json={"clientName": "ACME", "userName": "sysadmin", "password": "wrong horse"},
            )
            await harness.http.post("/ingest/v1/events", headers=key, json=[])
            await harness.http.delete(f"/session/logout/{session['LV-Session']}")
            await harness.http.post(
                "/session/password",
                headers={"LV-Access": TOKENS["ACME"]},
                json=msgspec.json.decode(LOGIN) | {"newPassword": "battery staple"},
            )
        lines = [line for line in logs if line["event"] == "request"]
        assert [(line["client"], line["user"]) for line in lines] == [
            (47415, 9001),
            (47415, 9001),
            (47415, None),
            (47415, 9001),
            (47415, 9001),
        ]

    run_with_harness(work)


def test_every_response_is_compressed_on_request() -> None:
    """Small responses and errors are compressed, too."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        harness.publish([call_start])
        for headers in (session, {}):
            for encoding, packed in (("gzip", True), ("gzip;q=0", False), ("identity", False)):
                answer = await harness.http.post(
                    FEED, headers=headers | {"accept-encoding": encoding}
                )
                assert ("content-encoding" in answer.headers) == packed
                assert answer.json()

    run_with_harness(work)


def test_other_protocols_are_refused() -> None:
    """A WebSocket is closed."""

    async def work(harness: ApiHarness) -> None:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            return {"type": "websocket.connect"}

        await harness.api({"type": "websocket"}, receive, send)
        assert sent == [{"type": "websocket.close"}]

    run_with_harness(work)


async def no_content_app(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Send an empty response."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_only_the_health_check_succeeds_before_the_application_exists() -> None:
    """Other requests get 503 with Retry-After, either immediately or if the start takes long."""

    async def ask(loop: VirtualLoop) -> list[httpx.Response]:
        opening = StartupApp()
        transport = httpx.ASGITransport(app=opening)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            found = [await http.get("/healthz"), await http.get("/readyz")]
            assert loop.elapsed == 0
            found.append(await http.head("/realtime/event/feed"))
            assert loop.elapsed == WAIT_SECONDS
            opening.start(no_content_app)
            return [*found, await http.get("/readyz")]

    alive, ready, head, after = virtual_time.run(ask)
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()["code"]) == (503, 101)
    assert ready.json()["message"] == "the server is starting"
    assert int(ready.headers["retry-after"]) >= 1
    assert (head.status_code, head.content) == (503, b"")
    assert after.status_code == 204


@pytest.mark.parametrize(("stops", "status"), [(False, 204), (True, 503)])
def test_waiting_requests_are_answered_by_the_application_or_at_shutdown(
    stops: bool, status: int
) -> None:
    """A browser's EventSource would stop permanently at a 503 during a restart."""

    async def ask(loop: VirtualLoop) -> httpx.Response:
        opening = StartupApp()
        transport = httpx.ASGITransport(app=opening)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            asked = asyncio.ensure_future(http.get("/realtime/event/feed/sse"))
            await loop.passing(WAIT_SECONDS / 2)
            assert not asked.done()
            if stops:
                opening.release()
            else:
                opening.start(no_content_app)
            return await asked

    assert virtual_time.run(ask).status_code == status


def test_a_websocket_is_refused_during_startup() -> None:
    """The same happens after the start."""
    sent: list[object] = []

    async def ask() -> None:
        async def send(message: object) -> None:
            sent.append(message)

        async def receive() -> dict[str, str]:
            return {"type": "websocket.connect"}

        await StartupApp()({"type": "websocket", "path": "/"}, receive, send)

    asyncio.run(ask())
    assert sent == [{"type": "websocket.close"}]


async def empty_handler(_exchange: RequestContext) -> Response:
    """Respond without a body."""
    return Response(204)


def _route(method: str, path: str, alias: str | None = None) -> Route:
    """Return a route with only the given properties."""
    return Route(method=method, path=path, handler=empty_handler, doc="", alias=alias)


TABLE = RouteTable(
    [
        _route("POST", "/realtime/service/stats"),
        _route("POST", "/realtime/service/agents/status", alias="/realtime/service/status"),
        _route("GET", "/session/validate"),
        _route("GET", "/session/validate/{sessionId}"),
        _route("DELETE", "/session/logout/{sessionId}"),
        _route("POST", "/ingest/v1/events"),
        _route(ANY, "/realtime/callEvent"),
    ]
)


@pytest.mark.parametrize(
    ("path", "found", "parameter"),
    [
        ("/realtime/service/stats", "/realtime/service/stats", ""),
        ("/realtime/service/stats/", "/realtime/service/stats", ""),
        ("/realtime/v6.0/service/stats", "/realtime/service/stats", ""),
        ("/realtime/v12/service/stats/", "/realtime/service/stats", ""),
        ("/realtime/service/status", "/realtime/service/agents/status", ""),
        ("/realtime/v6.0/service/status/", "/realtime/service/agents/status", ""),
        ("/session/v5.0/validate", "/session/validate", ""),
        ("/session/validate/", "/session/validate", ""),
        ("/session/v5.0/validate/abc", "/session/validate/{sessionId}", "abc"),
        ("/session/validate/v5.0", "/session/validate/{sessionId}", "v5.0"),
        ("/ingest/v1/events", "/ingest/v1/events", ""),
        ("/realtime/v6.0/callEvent", "/realtime/callEvent", ""),
    ],
)
def test_variants_of_a_path_find_the_same_route(path: str, found: str, parameter: str) -> None:
    """A trailing slash and a version are optional."""
    methods = {"/ingest/v1/events": "POST", "/realtime/callEvent": "PURGE"}
    method = methods.get(found, "GET" if "validate" in found else "POST")
    row, last = TABLE.find(method, path)
    assert (row.path, last) == (found, parameter)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/realtime",
        "/realtime/v6.0",
        "/realtime/service",
        "/realtime/service/stats//",
        "/realtime/v/service/stats",
        "/realtime/v6./service/stats",
        "/realtime/service/v6.0/stats",
        "/v6.0/realtime/service/stats",
        "/ingest/events",
        "/ingest/v1/v1/events",
        "/session/logout",
        "/session/logout/",
        "/session/validate/a/b",
        "/realtime/service/stats\0",
    ],
)
def test_unknown_paths_are_not_found(path: str) -> None:
    """Each gets 404."""
    with pytest.raises(NotFound):
        TABLE.find("POST", path)


def test_other_methods_are_not_allowed() -> None:
    """The error lists the allowed methods. HEAD is allowed wherever GET is."""
    with pytest.raises(MethodNotAllowed) as refusal:
        TABLE.find("GET", "/realtime/service/stats")
    assert refusal.value.allowed == "OPTIONS, POST"
    with pytest.raises(MethodNotAllowed) as refusal:
        TABLE.find("POST", "/session/validate/x")
    assert refusal.value.allowed == "GET, HEAD, OPTIONS"
    assert TABLE.find("HEAD", "/session/validate")[0].method == "GET"


def test_duplicate_routes_are_refused() -> None:
    """Every row of the table must be unique."""
    with pytest.raises(ValueError, match="twice"):
        RouteTable([_route("GET", "/a"), _route("GET", "/a")])
