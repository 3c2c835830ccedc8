"""Tests of the exceptions for unsuccessful responses."""

from __future__ import annotations

import json

import pytest

from floorcast.client.error_mapping import retry_after, to_exception
from floorcast.client.steps import HttpRequest, HttpResponse
from floorcast.model import errors

REQUEST = HttpRequest("POST", "/realtime/event/feed")


def refused(status: int, code: int | None = None, **headers: str) -> Exception:
    body = b"<h1>no</h1>" if code is None else json.dumps({"code": code, "message": "no"}).encode()
    error = to_exception(REQUEST, HttpResponse(status, headers, body))
    assert error.status == status
    assert error.code == (status if code is None else code)
    return error


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, 201, errors.MissingParameter),
        (400, 202, errors.InvalidParameter),
        (400, 203, errors.NotAnObject),
        (401, 300, errors.BadCredentials),
        (401, 301, errors.BadSession),
        (403, 302, errors.RoleNotAllowed),
        (403, 303, errors.FeedNotSwitchedOn),
        (404, 404, errors.NotFound),
        (405, 405, errors.Refusal),
        (406, 406, errors.NotAcceptable),
        (410, 410, errors.Retired),
        (413, 413, errors.TooLarge),
        (415, 415, errors.UnsupportedMedia),
        (429, 429, errors.RateLimited),
        (500, 100, errors.Unavailable),
        (503, 101, errors.Unavailable),
    ],
)
def test_each_error_code_maps_to_its_exception(
    status: int, code: int, kind: type[Exception]
) -> None:
    """The exception has the server's message."""
    error = refused(status, code)
    assert type(error) is kind
    assert str(error) == "no"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, errors.Refusal),
        (400, errors.Refusal),
        (401, errors.BadSession),
        (403, errors.RoleNotAllowed),
        (404, errors.NotFound),
        (429, errors.RateLimited),
        (502, errors.Unavailable),
    ],
)
def test_unknown_error_code_maps_by_status(status: int, kind: type[Exception]) -> None:
    """A proxy's page and unknown codes map by status. The message has the start of the body."""
    assert type(refused(status, 9999)) is kind
    error = refused(status)
    assert type(error) is kind
    assert str(error) == f"POST /realtime/event/feed got the response {status}: <h1>no</h1>"


@pytest.mark.parametrize("body", [b'{"message": "Zur\xfcck"}', b"[" * 100_000])
def test_unreadable_error_maps_by_status(body: bytes) -> None:
    """A proxy's error may be in another encoding, or nested too deeply."""
    error = to_exception(REQUEST, HttpResponse(503, {}, body))
    assert type(error) is errors.Unavailable


def test_an_unknown_error_names_the_address() -> None:
    """A proxy or another server answers, and the address must be corrected."""
    url = "http://proxy:80/foo/realtime/event/feed"
    error = to_exception(REQUEST, HttpResponse(404, {}, b"", url))
    assert str(error) == f"POST {url} got the response 404"


def test_redirect_error_names_the_new_address() -> None:
    """Redirects are not followed, because a password would go to any address named there."""
    error = to_exception(REQUEST, HttpResponse(301, {"location": "https://elsewhere/"}, b""))
    assert str(error).endswith("got the response 301, which redirects to https://elsewhere/")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("Tue, 24 Nov 2026 12:00:30 GMT", 30),
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0),
        ("999999999", 3_600),
        ("Tue, 24 Nov 2099 12:00:00 GMT", 3_600),
        ("soon", 0),
        ("", 0),
        ("-1", 0),
    ],
)
def test_retry_after_can_be_seconds_or_a_date(header: str, seconds: int) -> None:
    """A date is compared with the server's clock, not the local one."""
    headers = {"retry-after": header, "date": "Tue, 24 Nov 2026 12:00:00 GMT"}
    assert retry_after(headers) == seconds


def test_retry_after_date_without_server_date_is_ignored() -> None:
    """A date in an unknown format causes no wait either."""
    assert retry_after({"retry-after": "Tue, 24 Nov 2026 12:00:30 GMT"}) == 0
