"""Converts between the protocol's requests and httpx's, for both clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx

from floorcast.client.steps import (
    HttpRequest,
    HttpResponse,
    NoConnection,
    NoResponse,
    SilentConnection,
)
from floorcast.model.connection_errors import describe_connection_error
from floorcast.model.errors import UnexpectedAnswer

__all__ = [
    "LIMITS",
    "MAX_ANSWER_BYTES",
    "STREAM_STATUS",
    "TIMEOUT",
    "BoundedResponse",
    "from_httpx_response",
    "to_httpx_request",
    "translate_errors",
]

MAX_ANSWER_BYTES = 256 << 20  # uncompressed; more than the server's largest answer

TIMEOUT = httpx.Timeout(30.0, connect=5.0)  # seconds; the API sends something every 10 s
LIMITS = httpx.Limits(max_connections=None)  # each feed that is followed occupies a connection
STREAM_STATUS = httpx.codes.OK
EVENT_STREAM = "text/event-stream"
DEFAULT_PORTS = {"http": 80, "https": 443}

_HEADERS = {"accept": "application/json"}


def to_httpx_request(
    http: httpx.Client | httpx.AsyncClient, url: str, request: HttpRequest
) -> httpx.Request:
    """Return httpx's form of a request to the server at ``url``."""
    json = {} if request.content is None else {"content-type": "application/json"}
    headers = {**_HEADERS, **json, **request.headers}
    return http.build_request(
        request.method,
        url + request.path,
        params=dict(request.query) or None,
        content=request.content,
        headers=headers,
    )


def from_httpx_response(response: httpx.Response, content: bytes) -> HttpResponse:
    """Return the protocol's form of an answer, with this body."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    url = str(response.url.copy_with(query=None))
    return HttpResponse(response.status_code, headers, content, url)


class BoundedResponse(httpx.Response):
    """An answer of at most ``limit`` bytes. Reading more raises UnexpectedAnswer.

    The limit applies to the received bytes and to the uncompressed bytes. In a stream, only bytes
    since ``begin_event`` count.
    """

    def __init__(self, answer: httpx.Response, limit: int) -> None:
        super().__init__(
            answer.status_code,
            headers=answer.headers,
            stream=answer.stream,
            request=answer.request,
            extensions=answer.extensions,
        )
        self._limit = limit
        self.is_stream = answer.status_code == STREAM_STATUS and answer.headers.get(
            "content-type", ""
        ).startswith(EVENT_STREAM)
        self._received = self._held = 0

    def begin_event(self) -> None:
        """Reset the counts of a stream, because all events so far are complete."""
        self._received = self._held = 0

    def iter_raw(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """Yield bytes as httpx does. Raises UnexpectedAnswer."""
        for chunk in super().iter_raw(chunk_size):
            self._check(self._received, len(chunk))
            self._received += len(chunk)
            yield chunk

    async def aiter_raw(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """Yield bytes as httpx does. Raises UnexpectedAnswer."""
        async for chunk in super().aiter_raw(chunk_size):
            self._check(self._received, len(chunk))
            self._received += len(chunk)
            yield chunk

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """Yield uncompressed bytes as httpx does. Raises UnexpectedAnswer."""
        for chunk in super().iter_bytes(chunk_size):
            self._check(self._held, len(chunk))
            self._held += len(chunk)
            yield chunk

    async def aiter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """Yield uncompressed bytes as httpx does. Raises UnexpectedAnswer."""
        async for chunk in super().aiter_bytes(chunk_size):
            self._check(self._held, len(chunk))
            self._held += len(chunk)
            yield chunk

    def _check(self, before: int, more: int) -> None:
        # a chunk of a stream may hold many complete events, so it is not counted yet
        if (before if self.is_stream else before + more) > self._limit:
            what = "an event of the stream" if self.is_stream else "the answer"
            raise UnexpectedAnswer(
                f"{what} is larger than {self._limit:,} bytes: request less, or raise"
                " max_answer_bytes"
            )


@contextmanager
def translate_errors() -> Iterator[None]:
    """Translate httpx's connection errors into NoConnection, SilentConnection and NoResponse."""
    try:
        yield
    except httpx.ReadTimeout:
        raise SilentConnection(f"no data for {TIMEOUT.read:.0f} s") from None
    except httpx.ConnectTimeout as error:
        address = _address(error.request.url)
        raise NoConnection(f"no connection to {address} in {TIMEOUT.connect:.0f} s") from None
    except httpx.ConnectError as error:
        raise NoConnection(_describe_connect_error(error)) from None
    except httpx.RemoteProtocolError as error:
        raise NoResponse(f"the response is not HTTP, or was cut off: {error}") from None
    except (httpx.ReadError, httpx.WriteError):
        raise NoResponse("the connection was closed before the response") from None
    except httpx.RequestError as error:
        raise NoResponse(str(error) or type(error).__name__) from None


def _describe_connect_error(error: httpx.ConnectError) -> str:
    url, cause = error.request.url, _root_cause(error)
    if isinstance(cause, ConnectionRefusedError):
        return f"nothing answers at {_address(url)} (is the server running there?)"
    if not isinstance(cause, OSError | UnicodeError):
        return f"no connection to {_address(url)}: {error}"
    return describe_connection_error(cause, url.host, url.port or DEFAULT_PORTS[url.scheme])


def _root_cause(error: BaseException) -> BaseException:
    """Return the system's error. httpx, httpcore and anyio each wrap it in another way."""
    wrapped = error.args[0] if error.args else None
    if isinstance(error, BaseExceptionGroup):  # one error per address of the name
        inner: object = error.exceptions[0]
    else:
        inner = error.__cause__ or wrapped
    return _root_cause(inner) if isinstance(inner, BaseException) else error


def _address(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode()}"
