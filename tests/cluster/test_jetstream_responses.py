"""Tests that JetStream's error codes become floorcast's errors."""

from __future__ import annotations

import msgspec
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from floorcast.cluster.jetstream_responses import RequestRefused, StorageFull, decode_response
from floorcast.model.errors import Unavailable


def response(**members: object) -> Msg:
    """Return a response with these members, as JetStream sends it."""
    return Msg(_client=Client(), data=msgspec.json.encode(members))


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (503, 10047, StorageFull),
        (400, 10077, StorageFull),
        (503, 10008, Unavailable),
        (500, 10118, Unavailable),
        (404, 10059, RequestRefused),
    ],
)
def test_only_temporary_errors_can_be_repeated(
    status: int, code: int, expected: type[Exception]
) -> None:
    """A full disk and a missing leader are temporary; a refused request stays refused."""
    error = {"code": status, "err_code": code, "description": "why"}
    with pytest.raises(expected, match=rf"why \({code}\)") as found:
        decode_response(response(error=error))
    assert type(found.value) is expected


def test_a_response_without_an_error_is_returned() -> None:
    """A message's acknowledgment and an empty response are not errors."""
    assert decode_response(response(seq=7)) == {"seq": 7}
    assert decode_response(Msg(_client=Client())) == {}
