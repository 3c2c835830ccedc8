"""Tests of the HTTP status of each refusal (section 9 of the contract)."""

from __future__ import annotations

import json

import pytest

from floorcast.http.error_responses import MethodNotAllowed, error_response
from floorcast.http.responses import Response
from floorcast.model import errors
from floorcast.model.errors import FloorcastError, Refusal


def body(answer: Response) -> dict[str, object]:
    """Return the data of a response."""
    assert answer.content is not None
    said: dict[str, object] = json.loads(answer.content.plain)
    return said


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.MissingParameter("m"), 400, 201),
        (errors.InvalidParameter("m"), 400, 202),
        (errors.NotAnObject("m"), 400, 203),
        (errors.BadCredentials("m"), 401, 300),
        (errors.BadSession("m"), 401, 301),
        (errors.RoleNotAllowed("m"), 403, 302),
        (errors.FeedNotSwitchedOn("m"), 403, 303),
        (errors.NotFound("m"), 404, 404),
        (errors.NotAcceptable("m"), 406, 406),
        (errors.Retired("m"), 410, 410),
        (errors.TooLarge("m"), 413, 413),
        (errors.UnsupportedMedia("m"), 415, 415),
        (errors.UnsupportedEncoding("m"), 415, 415),
        (errors.RateLimited("m", 3), 429, 429),
        (errors.Unavailable("m", 3), 503, 101),
    ],
)
def test_each_refusal_has_its_status_and_code(
    error: FloorcastError, status: int, code: int
) -> None:
    """The response has the exception's message."""
    answer = error_response(error)
    assert (answer.status, body(answer)) == (status, {"code": code, "message": "m"})


def test_every_refusal_class_has_a_status() -> None:
    """A new error class must be added to the table, too."""

    def tree(kind: type[Refusal]) -> list[type[Refusal]]:
        return [kind, *(below for child in kind.__subclasses__() for below in tree(child))]

    for kind in tree(Refusal):
        refusal = kind.__new__(kind)
        refusal.message, refusal.allowed, refusal.retry_after = "m", "", 1  # type: ignore[attr-defined] # whichever it has
        assert error_response(refusal).status >= 400


def test_headers_say_what_to_do() -> None:
    """The headers give the time of a retry, the required credentials, or the allowed methods."""
    assert error_response(errors.Unavailable("m", 3)).headers == (("retry-after", "3"),)
    assert error_response(errors.RateLimited("m", 4)).headers == (("retry-after", "4"),)
    assert error_response(MethodNotAllowed("GET", ["POST"])).headers == (("allow", "POST"),)
    assert dict(error_response(errors.BadCredentials("m")).headers)["www-authenticate"]
    assert dict(error_response(errors.BadSession("m")).headers)["www-authenticate"]
    refused = error_response(errors.UnsupportedEncoding("m"))
    assert refused.headers == (("accept-encoding", "gzip"),)
    assert error_response(errors.UnsupportedMedia("m")).headers == ()


@pytest.mark.parametrize(
    ("allowed", "message"),
    [
        (["OPTIONS", "POST"], "PUT is not allowed here; use POST"),
        (["GET", "HEAD", "OPTIONS", "POST"], "PUT is not allowed here; use GET or POST"),
    ],
)
def test_a_method_that_is_not_allowed_names_those_to_use(allowed: list[str], message: str) -> None:
    """The message omits HEAD and OPTIONS, which the ``Allow`` header has."""
    refusal = MethodNotAllowed("PUT", allowed)
    assert refusal.message == message
    assert error_response(refusal).headers == (("allow", ", ".join(allowed)),)


def test_unexpected_exceptions_are_internal_errors() -> None:
    """Unexpected exceptions get status 500 with code 100."""
    for error in (ZeroDivisionError("secret"), errors.SettingError("secret")):
        answer = error_response(error)
        assert (answer.status, body(answer)["code"]) == (500, 100)
        assert "secret" not in str(body(answer))
