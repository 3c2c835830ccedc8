"""Converts between the core's requests and httpx's, for both clients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from floorcast.client.steps import Broken, Request, Response, Silent

__all__ = ["LIMITS", "STREAM_OPEN", "TIMEOUT", "request_of", "response_of", "translated"]

TIMEOUT = httpx.Timeout(30.0, connect=5.0)  # seconds; the API says something every 10
LIMITS = httpx.Limits(max_connections=None)  # each feed that is followed holds one
STREAM_OPEN = httpx.codes.OK

_HEADERS = {"accept": "application/json"}


def request_of(http: httpx.Client | httpx.AsyncClient, url: str, request: Request) -> httpx.Request:
    """A request to the server at ``url``."""
    json = {} if request.content is None else {"content-type": "application/json"}
    headers = {**_HEADERS, **json, **request.headers}
    return http.build_request(
        request.method,
        url + request.path,
        params=dict(request.query) or None,
        content=request.content,
        headers=headers,
    )


def response_of(response: httpx.Response, content: bytes) -> Response:
    """An answer with this body."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Response(response.status_code, headers, content)


@contextmanager
def translated() -> Iterator[None]:
    """Translates httpx's connection errors into Broken and Silent."""
    try:
        yield
    except httpx.ReadTimeout:
        raise Silent(f"no data for {TIMEOUT.read:.0f} s") from None
    except httpx.RequestError as error:
        raise Broken(str(error) or type(error).__name__) from None
