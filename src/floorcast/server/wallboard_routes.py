"""Routes for the wallboard's files."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

import msgspec

from floorcast.http.request_context import RequestContext
from floorcast.http.responses import Content, Response
from floorcast.http.routing import Route
from floorcast.wallboard.page_files import PATH, PageFile, page_files

__all__ = ["NO_VALUES", "page_routes"]

NO_VALUES: Mapping[str, str] = MappingProxyType({})


def page_routes(sign_in: Mapping[str, str] = NO_VALUES) -> tuple[Route, ...]:
    """Return a route for each of the wallboard's files. They are served before the floor is ready.

    ``sign_in`` has the initial values of the sign-in form's fields, by field name. The values are
    public, and only the demo sets any.
    """
    return (*_file_routes(), _sign_in_route(sign_in))


def _sign_in_route(values: Mapping[str, str]) -> Route:
    content = Content(msgspec.json.encode(dict(values)))

    async def send(_context: RequestContext) -> Response:
        return Response(200, content)

    return Route(
        method="GET",
        path=f"{PATH}/sign-in.json",
        handler=send,
        always=True,
        doc="The initial values of the wallboard's sign-in form.",
    )


def _file_routes() -> tuple[Route, ...]:
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
    if file.matches(context.headers.get("if-none-match", "")):
        return Response(304, headers=file.headers)
    return Response(200, content, headers=file.headers, media_type=file.media_type)
