"""The wallboard's files as routes of the one table."""

from __future__ import annotations

from functools import partial

from floorcast.http.request_context import RequestContext
from floorcast.http.responses import Content, Response
from floorcast.http.routing import Route
from floorcast.wallboard.page_files import PageFile, page_files

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


async def _send(file: PageFile, content: Content, context: RequestContext) -> Response:
    if file.is_known_to(context.headers.get("if-none-match", "")):
        return Response(304, headers=file.headers)
    return Response(200, content, headers=file.headers, media_type=file.media_type)
