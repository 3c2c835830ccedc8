"""The wallboard's files as routes of the one table."""

from __future__ import annotations

from functools import partial

from floorcast.http.request_context import Exchange
from floorcast.http.responses import Answer, Content
from floorcast.http.routing import Route
from floorcast.wallboard.files import PageFile, page_files

__all__ = ["page_routes"]


def page_routes() -> tuple[Route, ...]:
    """A route for each file of the wallboard; the page is there before the floor is ready."""
    return tuple(
        Route(
            method="GET",
            path=file.path,
            handler=partial(_send, file, Content(file.content)),
            media_type=file.media_type.partition(";")[0],
            always=True,
            doc="The wallboard.",
        )
        for file in page_files()
    )


async def _send(file: PageFile, content: Content, exchange: Exchange) -> Answer:
    if file.is_known_to(exchange.headers.get("if-none-match", "")):
        return Answer(304, headers=file.headers)
    return Answer(200, content, headers=file.headers, media_type=file.media_type)
