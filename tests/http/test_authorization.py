"""Tests of admission: the order of the checks, and the sources of a session."""

from __future__ import annotations

import time
from typing import cast

import httpx
import pytest
from starlette.types import Receive

from floorcast.http.app import Api
from floorcast.http.authorization import session_id
from floorcast.http.request_context import RequestContext
from floorcast.http.responses import Response
from floorcast.http.routing import Route
from floorcast.http.services import Services
from tests.http.servers import ApiHarness, run_with_harness


async def session_name(context: RequestContext) -> Response:
    """Respond with the session's name."""
    return Response.json(context.session.name)


async def session_name_of_an_open_route(context: RequestContext) -> Response:
    """Respond with the session's name, although the route needs no session."""
    return Response.json(context.session.name)


ROUTES = (
    Route(method="GET", path="/cookie", handler=session_name, doc="", methods="feeds", cookie=True),
    Route(method="GET", path="/header", handler=session_name, doc="", methods="feeds"),
    Route(
        method="GET", path="/off", handler=session_name, doc="", methods="feeds", feed="interaction"
    ),
    Route(method="GET", path="/open", handler=session_name_of_an_open_route, doc=""),
)


def http_client(harness: ApiHarness) -> httpx.AsyncClient:
    """Return an HTTP client for the routes above."""
    transport = httpx.ASGITransport(app=Api(harness.server, ROUTES))
    return httpx.AsyncClient(transport=transport, base_url="http://test")


@pytest.mark.parametrize(
    ("cookie", "status"),
    [
        ("LV-Session={}", 200),
        ("a=b; LV-Session={}; c=d", 200),
        ("LV-Session=x", 401),
        ("LV-Session=", 401),
        ("lv-session={}", 401),
        ('=;;\x7f="', 401),
        ('LV-Session="{}"', 200),
        ("LV-Session=x; LV-Session={}", 200),
        (" LV-Session = {} ", 200),
        ("xLV-Session={}", 401),
        ("a=LV-Session={}", 401),
    ],
)
def test_a_cookie_is_accepted_only_if_the_route_allows_it(cookie: str, status: int) -> None:
    """Other routes ignore the cookie, and the header takes precedence."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        headers = {"cookie": cookie.format(session["LV-Session"])}
        async with http_client(harness) as http:
            assert (await http.get("/cookie", headers=headers)).status_code == status
            assert (await http.get("/header", headers=headers)).status_code == 401
            header = headers | {"LV-Session": "x"}
            assert (await http.get("/cookie", headers=header)).status_code == 401

    run_with_harness(work)


def test_a_cookie_of_any_bytes_takes_linear_time() -> None:
    """Python's own parser takes quadratic time on a run of backslashes (CVE-2024-7592)."""

    def seconds(size: int) -> float:
        scope = {"type": "http", "headers": [(b"cookie", b'LV-Session="' + b"\\" * size)]}
        context = RequestContext(cast("Services", None), scope, cast("Receive", None))
        began = time.process_time()
        for _ in range(20):
            assert session_id(context, cookie=True) == ""
        return time.process_time() - began

    few = min(seconds(20_000) for _ in range(5))
    assert min(seconds(320_000) for _ in range(3)) < 16 * few * 4


def test_unauthorized_callers_learn_nothing_about_the_feed() -> None:
    """The checks run in this order: session, role, feed, Accept."""

    async def work(harness: ApiHarness) -> None:
        html = {"accept": "text/html"}
        auditor = await harness.login("auditor") | html
        child = await harness.login(client="CHILD") | html
        acme = await harness.login() | html
        async with http_client(harness) as http:
            for headers, code in ((html, 301), (auditor, 302), (child, 303), (acme, 406)):
                assert (await http.get("/off", headers=headers)).json()["code"] == code
            assert (await http.get("/open", headers=acme)).json()["code"] == 406

    run_with_harness(work)


def test_a_handler_cannot_use_a_session_that_its_route_does_not_require() -> None:
    """The request is refused as if it had no session."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        async with http_client(harness) as http:
            assert (await http.get("/open", headers=session)).json()["code"] == 301

    run_with_harness(work)
