"""The API's own documentation: ``/openapi.json``, and ``/docs``, the page that renders it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import msgspec

from floorcast.api.answers import Answer, Content
from floorcast.api.exchange import Exchange
from floorcast.api.openapi import document
from floorcast.api.page import POLICY, page
from floorcast.api.routes import Route

__all__ = ["Documents"]

Routes = tuple[Route, ...]


class Documents:
    """Both documents of a table, made when somebody first asks; ``routes`` gives the table.

    The table is asked for late, because it has a row for each of the two.
    """

    def __init__(self, routes: Callable[[], Routes]) -> None:
        self._routes = routes

    @cached_property
    def _document(self) -> dict[str, Any]:
        return document(self._routes())

    @cached_property
    def _openapi(self) -> Content:
        return Content(msgspec.json.encode(self._document))

    @cached_property
    def _page(self) -> Content:
        return Content(page(self._document).encode())

    async def openapi(self, _exchange: Exchange) -> Answer:
        """The OpenAPI document."""
        return Answer(200, self._openapi)

    async def page(self, _exchange: Exchange) -> Answer:
        """The page, which asks for nothing else and runs nothing."""
        return Answer(
            200,
            self._page,
            media_type="text/html; charset=utf-8",
            headers=(
                ("content-security-policy", POLICY),
                ("referrer-policy", "no-referrer"),
                ("x-content-type-options", "nosniff"),
            ),
        )
