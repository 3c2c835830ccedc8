"""The API as an ASGI application."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable
from contextlib import suppress

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from floorcast.http.auditing import audit_refusal
from floorcast.http.authorization import authorize
from floorcast.http.error_responses import MethodNotAllowed, error_response, is_event_source
from floorcast.http.request_context import RequestContext, accepts
from floorcast.http.responses import Response, Status
from floorcast.http.routing import ANY, Route
from floorcast.http.services import Services
from floorcast.model.errors import NotAcceptable, NotFound, RateLimited, Unavailable

__all__ = ["Api", "RouteTable", "StartupApp"]

_MONITORING_PATHS = (
    "/healthz",
    "/readyz",
    "/metrics",
)  # monitoring requests these every few seconds
_log = structlog.stdlib.get_logger(__name__)


# Existing clients put a version after the first segment: /realtime/v6.0/…
_VERSION = re.compile(r"(?<=^/realtime)/v\d+(?:\.\d+)*(?=/)|(?<=^/session)/v\d+(?:\.\d+)*(?=/)")

_Methods = dict[str, Route]


class RouteTable:
    """The routes by path and method."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._paths: dict[str, _Methods] = {}
        for route in routes:
            for path in filter(None, (route.path, route.alias)):
                methods = self._paths.setdefault(_with_placeholders(path), {})
                if route.method in methods:
                    raise ValueError(f"{route.method} {path} is listed twice")
                methods[route.method] = route

    def find(self, method: str, path: str) -> tuple[Route, str]:
        """Return a request's route and the value of its path parameter.

        Raises NotFound and MethodNotAllowed.
        """
        methods, parameter = self._methods(path)
        route = methods.get(method) or methods.get(ANY)
        if route is None and method == "HEAD":
            route = methods.get("GET")
        if route is None:
            raise MethodNotAllowed(method, _allowed(methods))
        return route, parameter

    def _methods(self, path: str) -> tuple[_Methods, str]:
        methods = self._paths.get(path)
        if methods is not None:
            return methods, ""
        path = _VERSION.sub("", path.removesuffix("/"), count=1)
        if (methods := self._paths.get(path)) is not None:
            return methods, ""
        parts = path.rsplit("/", 2)
        for index in range(
            len(parts) - 1, 0, -1
        ):  # a parameter is the last part or the second to last
            pattern = "/".join((*parts[:index], "{}", *parts[index + 1 :]))
            if parts[index] and (methods := self._paths.get(pattern)) is not None:
                return methods, parts[index]
        raise NotFound("there is no such path: /docs lists every path")


def _with_placeholders(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)


def _allowed(methods: _Methods) -> list[str]:
    implied = {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
    return sorted(set(methods) | implied)


class Api:
    """Serves requests: finds the route, admits, calls the handler, responds, logs and counts."""

    def __init__(self, services: Services, routes: tuple[Route, ...]) -> None:
        self._services = services
        self._table = RouteTable(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] == "http":
            await self._serve_http(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        else:
            raise RuntimeError(f"{scope['type']} is not served")

    async def _serve_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        context = RequestContext(self._services, scope, receive)
        path, response = await self._respond(context)
        response.headers += context.extra_headers
        size = await self._send(context, response, send)
        seconds = time.perf_counter() - began
        metrics = self._services.metrics
        metrics.requests.labels(path, response.status).inc()
        metrics.request_seconds.labels(path).observe(seconds)
        metrics.sent_bytes.labels(path).inc(size)
        log = _log.debug if path in _MONITORING_PATHS else _log.info
        log(
            "request",
            method=scope["method"],
            path=path,
            status=response.status,
            ms=round(seconds * 1000, 1),
            bytes=size,
            client=context.caller.client,
            user=context.caller.user,
        )

    async def _send(self, context: RequestContext, response: Response, send: Send) -> int:
        """Send the response, or 429 if too many bytes are already being sent to the client."""
        is_head = context.scope["method"] == "HEAD"
        session, content = context.admitted, response.content
        if session is None or content is None:
            return await response.send(send, gzip=context.accepts_gzip, without_body=is_head)
        limits = self._services.answer_limits
        try:
            with limits.sending(session.client, content, len(content.plain)):
                return await response.send(send, gzip=context.accepts_gzip, without_body=is_head)
        except RateLimited as refusal:
            response.status = 429
            refused = error_response(refusal)
            return await refused.send(send, gzip=False, without_body=is_head)

    async def _respond(self, context: RequestContext) -> tuple[str, Response]:
        """Return the route's path and the response.

        The path is not the request's own path, which can contain a session id.
        """
        path, needs = "-", None
        try:
            method = context.scope["method"]
            route, context.parameter = self._table.find(method, context.scope["path"])
            path, needs = route.path, route.needs
            self._admit(context, route)
            if route.feed is not None:
                await self._services.readers.enter(context.session.client)
            return path, await route.handler(context)
        except MethodNotAllowed as refusal:
            if context.scope["method"] == "OPTIONS":
                return path, Response(204, headers=(("allow", refusal.allowed),))
            return path, error_response(refusal)
        except Exception as error:  # noqa: BLE001 - every error gets a response
            if isinstance(error, MemoryError):
                self._services.memory.record_failure()
            audit_refusal(context, path, needs, error)
            return path, error_response(error, event_source=is_event_source(context.scope))

    def _admit(self, context: RequestContext, route: Route) -> None:
        """Admit the request and set its session, or raise the first refusal that applies."""
        readiness = self._services.readiness
        if not route.always and not readiness.ready:
            raise Unavailable(readiness.reason)
        if route.methods is not None:
            authorize(context, route.methods, route)
        if route.status == 200 and not accepts(context.accept, route.media_type):
            raise NotAcceptable(f"Accept must include {route.media_type}")


WAIT_SECONDS = 10.0  # a browser's EventSource never reconnects after a 503
PATHS_SERVED_AT_ONCE = ("/healthz", "/readyz")


class StartupApp:
    """An ASGI application that stands in for another application until that one is ready."""

    def __init__(self) -> None:
        self._application: ASGIApp | None = None
        self._waiting_over = asyncio.Event()

    @property
    def is_started(self) -> bool:
        """Whether the other application has taken over."""
        return self._application is not None

    def start(self, application: ASGIApp) -> None:
        """Pass every request to ``application`` from now on, including waiting requests."""
        self._application = application
        self._waiting_over.set()

    def release(self) -> None:
        """Answer the waiting requests, because the server is stopping."""
        self._waiting_over.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if (
            self._application is None
            and scope["type"] == "http"
            and scope["path"] not in PATHS_SERVED_AT_ONCE
        ):
            with suppress(TimeoutError):
                async with asyncio.timeout(WAIT_SECONDS):
                    await self._waiting_over.wait()
        if self._application is not None:
            await self._application(scope, receive, send)
        elif scope["type"] == "http":
            response = error_response(
                Unavailable("the server is starting"), event_source=is_event_source(scope)
            )
            if scope["path"] == "/healthz":
                response = Response.json(Status("ok"))
            await response.send(send, gzip=False, without_body=scope["method"] == "HEAD")
        else:
            await send({"type": "websocket.close"})
