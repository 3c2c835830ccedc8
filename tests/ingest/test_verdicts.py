"""Tests that the verdict on an event says what its source has to change."""

from __future__ import annotations

import asyncio

import pytest

from floorcast.ingest.decode import decode
from floorcast.ingest.verdicts import Rejected

NOW_MS = 1_795_428_000_000
QUEUE = b'{"specversion":"1.0","id":"7","source":"pbx","type":"call.queue","data":%b}'

CASES = [
    (b"nope", 203, "the event is not JSON"),
    (b"[]", 202, "the event must be an object"),
    (b'{"a":' * 100_000, 203, "nested too deeply"),
    (b'{"specversion":"1.0","id":"7","source":"p\xff"}', 203, "not UTF-8"),
    (b'{"specversion":"1.0","id":"7","source":"p","x":"\x00"}', 203, "not JSON"),
    (b'{"specversion":"1.0","id":"7","source":"p"}', 201, "type is required"),
    (b'{"specversion":"0.3","id":"7","source":"p","type":"call.queue"}', 202, "specversion"),
    (
        QUEUE.replace(b"call.queue", b"call.lost") % b"{}",
        202,
        "type must be one of agent.state, call.start",
    ),
    (QUEUE % b"{}", 201, "data.transactionId is required"),
    (QUEUE % b'{"transactionId":1}', 201, "data.sessionId is required"),
    (QUEUE % b'{"transactionId":"x","sessionId":"s"}', 202, "data.transactionId"),
    (QUEUE % b'{"transactionId":1e400,"sessionId":"s"}', 202, "data.transactionId"),
    (QUEUE % (b'{"transactionId":%d,"sessionId":"s"}' % 10**30), 202, "data.transactionId"),
    (QUEUE % b'{"transactionId":1,"sessionId":["s"]}', 202, "data.sessionId"),
    (QUEUE.replace(b'"7"', b'""') % b'{"transactionId":1,"sessionId":"s"}', 202, "id"),
    (
        QUEUE.replace(b'"id"', b'"time":"2026-11-23T10:00:00","id"')
        % b'{"transactionId":1,"sessionId":"s"}',
        202,
        "time",
    ),
    (
        QUEUE.replace(b'"id"', b'"time":"2026-11-23T10:05:01Z","id"')
        % b'{"transactionId":1,"sessionId":"s"}',
        202,
        "more than 5 minutes in the future: it is 2026-11-23T10:00:00Z",
    ),
    (
        QUEUE.replace(b'"id"', b'"time":"1969-12-31T23:59:59Z","id"')
        % b'{"transactionId":1,"sessionId":"s"}',
        202,
        "before 1970",
    ),
]


@pytest.mark.parametrize(("line", "code", "message"), CASES)
def test_verdicts_have_the_errors_code_and_name_the_member(
    line: bytes, code: int, message: str
) -> None:
    """Missing is 201, invalid 202, and not JSON 203. The verdict has the id if it is readable."""
    (verdict,) = asyncio.run(decode([line], NOW_MS, 1)).rejected
    assert isinstance(verdict, Rejected)
    assert verdict.code == code
    assert message in verdict.message
    if b'"7"' in line and code != 203:
        assert verdict.id == "7"
