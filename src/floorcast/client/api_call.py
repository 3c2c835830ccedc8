"""A call of one of the API's methods: its request, and how its answer is read. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import msgspec

from floorcast.client.answers import Answer
from floorcast.client.steps import HttpRequest, HttpResponse, NoResponse
from floorcast.model.errors import UnexpectedAnswer
from floorcast.model.undecodable import UNDECODABLE

__all__ = ["ApiCall", "answer_call", "decode", "post"]

T = TypeVar("T")
A = TypeVar("A", bound=Answer)


class ApiCall(NamedTuple, Generic[T]):
    """A request, and the function that reads its answer.

    ``read`` raises NoResponse for a body that is not JSON, such as a proxy's temporary error page,
    and UnexpectedAnswer for JSON that is not the API's. Statuses from 300 on are refusals and are
    not passed to ``read``, except those in ``readable_statuses``.
    """

    request: HttpRequest
    read: Callable[[HttpResponse], T]
    readable_statuses: frozenset[int] = frozenset()


def decode(response: HttpResponse, kind: type[T]) -> T:
    """Decode the body of an answer. Raises NoResponse and UnexpectedAnswer."""
    try:
        return msgspec.json.decode(response.content, type=kind, strict=False)
    except msgspec.ValidationError as error:
        raise UnexpectedAnswer(f"the response does not match the API: {error}") from None
    except UNDECODABLE as error:
        raise NoResponse(f"the response is not JSON: {error}") from None


def post(path: str, **members: object) -> HttpRequest:
    """Return a POST request with a JSON body."""
    return HttpRequest("POST", path, content=msgspec.json.encode(members))


def answer_call(request: HttpRequest, kind: type[A]) -> ApiCall[A]:
    """Return the call of a method whose answer is a ``kind``, with its ``Feed-Token``."""

    def read(response: HttpResponse) -> A:
        found = decode(response, kind)
        found.feed_token = response.headers.get("feed-token")
        return found

    return ApiCall(request, read)
