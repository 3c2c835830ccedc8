"""The handlers of ``/openapi.json`` and of ``/docs``, which shows it as a page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from floorcast.http.openapi.document import document
from floorcast.http.openapi.page import POLICY, page
from floorcast.http.request_context import RequestContext
from floorcast.http.responses import Content, Response
from floorcast.http.routing import Route

__all__ = ["Documents"]

Routes = tuple[Route, ...]


class Documents:
    """The OpenAPI document and its page, which are built on the first request.

    ``routes`` returns the route table. It is a function because the table itself contains the
    routes of these two documents.
    """

    def __init__(self, routes: Callable[[], Routes]) -> None:
        self._routes = routes
        self._built: tuple[Content, Content] | None = None

    async def openapi(self, _context: RequestContext) -> Response:
        """Return the OpenAPI document."""
        content, _ = await self._build_once()
        return Response(200, content)

    async def page(self, _context: RequestContext) -> Response:
        """Return the page. It loads no other files, and runs only its own inline script."""
        _, content = await self._build_once()
        return Response(
            200,
            content,
            media_type="text/html; charset=utf-8",
            headers=(
                ("content-security-policy", POLICY),
                ("referrer-policy", "no-referrer"),
            ),
        )

    async def _build_once(self) -> tuple[Content, Content]:
        if self._built is None:
            # takes a tenth of a second, which is too long for a turn of the loop
            self._built = await asyncio.to_thread(self._build)
        return self._built

    def _build(self) -> tuple[Content, Content]:
        openapi = document(self._routes())
        return Content(msgspec.json.encode(openapi)), Content(page(openapi).encode())
