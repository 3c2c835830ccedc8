"""Tests that three forms of CloudEvents lead to the same events, with one verdict each."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from base64 import b64encode
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.http.bodies import MAX_INTAKE_BYTES
from floorcast.ingest.content_modes import MAX_EVENT_BYTES
from floorcast.ingest.decode import (
    MAX_EVENTS,
    MAX_LINES,
    BodyForm,
    decode,
    estimate_decoded_bytes,
    split_body,
)
from floorcast.ingest.intake import MAX_DECODED_BYTES
from floorcast.model.errors import NotAnObject, TooLarge
from floorcast.model.inbound_data import MAX_SERVICES

NOW_MS = 1_795_428_000_000
CLIENT = 47415
SHORT = [chr(0x430 + number % 20) for number in range(300)]
COSTLY: dict[str, dict[str, Any]] = {
    "short names": {"services": SHORT},
    "numbers": {"services": [300 + number for number in range(300)]},
    "wide text": {"reason": "\U0001f600" + "a" * 1500},
    "long text": {"reason": "a" * 1500},
    "short texts": {"reason": "ab", "lineNumber": "ab", "skill": "ab", "result": "ab"},
    "few members": {},
}


def event(number: int) -> dict[str, object]:
    data = {"transactionId": number, "sessionId": "s\n\u20ac"}
    return {
        "specversion": "1.0",
        "id": str(number),
        "source": "pbx",
        "type": "call.queue",
        "data": data,
    }


@given(st.integers(0, 6), st.booleans())
def test_all_body_forms_give_the_same_events(count: int, pretty: bool) -> None:
    """A batch, lines and single events give the same lines, in any layout."""
    raw = [msgspec.json.encode(event(number)) for number in range(count)]
    if pretty:
        laid_out = [msgspec.json.format(one, indent=2).replace(b"\n", b"\r\n") for one in raw]
    else:
        laid_out = raw
    batch = split_body(b"[" + b",".join(laid_out) + b"]", "batch")
    lines = split_body(b"\r\n\n".join(raw) + b"\n", "lines")
    singles = [line for one in laid_out for line in split_body(one, "one")]
    decoded = [asyncio.run(decode(form, NOW_MS, 1)).events for form in (batch, lines, singles)]
    assert decoded[0] == decoded[1] == decoded[2]
    assert [one.id for one in decoded[0]] == [str(number) for number in range(count)]
    assert not any(b"\n" in line for line in batch + singles)


def test_a_rejected_event_does_not_affect_the_others() -> None:
    """Accepted events keep their order, and rejected events are listed by index."""
    lines = [msgspec.json.encode(event(number)) for number in range(3)]
    lines.insert(1, b"{}")
    decoded = asyncio.run(decode(lines, NOW_MS, 1))
    assert [verdict.index for verdict in decoded.rejected] == [1]
    assert list(decoded.indices) == [0, 2, 3]
    assert [one.id for one in decoded.events] == ["0", "1", "2"]
    assert list(decoded.lines) == [lines[0], lines[2], lines[3]]


@pytest.mark.parametrize("body", [b"{}", b"[", b"[1", b"\xff", b"[" * 100_000, b'["\x00"]'])
def test_a_batch_that_is_not_an_array_is_refused(body: bytes) -> None:
    """Its events cannot be told apart, so the whole request is refused."""
    with pytest.raises(NotAnObject):
        split_body(body, "batch")


@pytest.mark.parametrize("body", [b"", b" \n", b"\n\n"])
def test_an_empty_body_has_no_events(body: bytes) -> None:
    """An empty body is not an error."""
    assert split_body(body, "lines") == split_body(body, "one") == split_body(body, "batch") == []


@pytest.mark.parametrize("form", ["lines", "batch"])
def test_too_many_events_are_refused(form: BodyForm) -> None:
    """10,000 events are accepted, but 10,001 are not."""

    def body(count: int) -> bytes:
        lines = [b"{}"] * count
        return b"\n".join(lines) if form == "lines" else b"[%b]" % b",".join(lines)

    assert len(split_body(body(MAX_EVENTS), form)) == MAX_EVENTS
    with pytest.raises(TooLarge, match="more than 10,000 events"):
        split_body(body(MAX_EVENTS + 1), form)


@pytest.mark.parametrize(
    ("form", "body"),
    [("batch", b"[%b1]" % (b"1," * 4_000_000)), ("lines", b"\n" * 8_000_000)],
)
def test_events_are_counted_before_they_take_memory(form: BodyForm, body: bytes) -> None:
    """Megabytes with millions of events take no more memory than an accepted body."""
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            split_body(body, form)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 3 * len(body)


def test_blank_lines_are_ignored() -> None:
    """A body may have any reasonable number of blank lines."""
    assert split_body(b"\n" * MAX_LINES, "lines") == []


def test_an_overlong_id_is_not_repeated_in_the_verdict() -> None:
    """The response must not be as large as the request."""
    lines = [msgspec.json.encode({"id": "x" * 1025}), msgspec.json.encode({"id": "y" * 1024})]
    decoded = asyncio.run(decode(lines, NOW_MS, 1))
    assert [verdict.id for verdict in decoded.rejected] == [None, "y" * 1024]


def test_an_event_larger_than_a_cluster_accepts_is_rejected_on_its_own() -> None:
    """One server accepts the same events as a cluster, and the other events are not affected."""
    largest = msgspec.json.encode(event(1) | {"x": ""})
    largest = largest.replace(b'"x":""', b'"x":"%s"' % (b"x" * (MAX_EVENT_BYTES - len(largest))))
    decoded = asyncio.run(decode([largest, largest + b" "], NOW_MS, 1))
    assert [one.id for one in decoded.events] == ["1"]
    assert [(verdict.index, verdict.code) for verdict in decoded.rejected] == [(1, 413)]
    assert "at most 1,000,000 bytes, and this one has 1,000,001" in decoded.rejected[0].message


@pytest.mark.parametrize("unit", [b'"data_base64"[', b'x"[', b"[", b"\xff", b"\\"])
def test_the_contents_of_a_too_large_event_are_not_read(unit: bytes) -> None:
    """The cost of a line of 16 MiB does not depend on what it contains."""
    decoded = asyncio.run(decode([unit * (1_000_001 // len(unit) + 1)], NOW_MS, 1))
    assert [(verdict.id, verdict.code) for verdict in decoded.rejected] == [(None, 413)]


def test_time_zones_that_are_never_shown_take_no_memory() -> None:
    """An event has room for thousands of zones, and a request for 10,000 such events."""
    zones = ",".join(f'"zone {number}":{number + 1000}' for number in range(1000))
    lines = [
        b'{"specversion":"1.0","id":"%d","source":"a","type":"campaign.update",'
        b'"data":{"campaign":1,"timezones":{"ET":1,%b}}}' % (number, zones.encode())
        for number in range(100)
    ]
    tracemalloc.start()
    try:
        decoded = asyncio.run(decode(lines, NOW_MS, 1))
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(decoded.events) == 100
    assert used < sum(map(len, lines)) // 4


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("data", COSTLY.values(), ids=COSTLY)
def test_the_estimate_is_not_less_than_the_events_take(
    data: dict[str, Any], ascii_only: bool
) -> None:
    """However little of a body's text each value takes, and in either notation of characters."""
    body = "\n".join(
        json.dumps(
            {
                "specversion": "1.0",
                "id": f"{number:x}",
                "source": "s",
                "type": "agent.state",
                "data": {"agent": 1, "eventType": "READY"} | data,
            },
            ensure_ascii=ascii_only,
            separators=(",", ":"),
        )
        for number in range(200)
    ).encode()

    async def work() -> tuple[int, int]:
        estimate = await estimate_decoded_bytes(body, CLIENT)
        before, _ = tracemalloc.get_traced_memory()
        decoded = await decode(split_body(body, "lines"), NOW_MS, CLIENT)
        after, _ = tracemalloc.get_traced_memory()
        assert len(decoded.events) == 200
        return estimate, after - before + len(body)  # and what the log writes

    tracemalloc.start()
    try:
        estimate, taken = asyncio.run(work())
    finally:
        tracemalloc.stop()
    assert taken <= estimate


def test_a_body_of_nothing_but_short_names_takes_no_more_than_its_text() -> None:
    """The largest body fits in a client's half of the memory, whatever its events hold."""
    names = b",".join(b'"%c"' % (97 + number % 26) for number in range(MAX_SERVICES))
    body = b"\n".join(
        b'{"specversion":"1.0","id":"%d","source":"s","type":"agent.state",'
        b'"data":{"agent":1,"eventType":"READY","services":[%b]}}' % (number, names)
        for number in range(250)
    )

    async def work() -> int:
        tracemalloc.start()
        decoded = await decode(split_body(body, "lines"), NOW_MS, CLIENT)
        _, highest = tracemalloc.get_traced_memory()
        assert len(decoded.events) == 250
        return highest

    try:
        highest = asyncio.run(work())
    finally:
        tracemalloc.stop()
    assert highest < 2 * len(body)
    largest = (body + b"\n") * (MAX_INTAKE_BYTES // len(body))
    assert asyncio.run(estimate_decoded_bytes(largest, CLIENT)) <= MAX_DECODED_BYTES // 2


def test_a_long_body_is_estimated_as_its_parts() -> None:
    """No value is missed where the search of a long body takes another turn."""
    body = b'{"a":[1,2],"b":"c"}\n' * 100_000
    assert asyncio.run(estimate_decoded_bytes(body, CLIENT)) == 96 * 400_001 + 3 * len(body)


@pytest.mark.parametrize("encoded", [False, True], ids=["data", "data_base64"])
def test_a_leap_second_is_accepted(encoded: bool) -> None:
    """It counts as the last microsecond before. Only times change, and the log has the new form."""
    leap, before = "2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999Z"
    data: dict[str, object] = {"service": 1, "account": leap, "start": leap, "end": leap}
    data |= {"transactionId": 1, "sessionId": "s"}
    sent = event(1) | {"type": "call.end", "time": leap, "data": data}
    expected = sent | {"time": before, "data": data | {"start": before, "end": before}}
    if encoded:
        del sent["data"]
        sent["data_base64"] = b64encode(msgspec.json.encode(data)).decode()
    decoded = asyncio.run(decode([msgspec.json.encode(sent)], NOW_MS, CLIENT))
    assert decoded.rejected == []
    assert [json.loads(line) for line in decoded.lines] == [expected]
    (found,) = decoded.events
    assert found.time == datetime.fromisoformat(before)


def test_an_invalid_second_is_still_refused() -> None:
    """Only the second before midnight UTC can be followed by a leap second."""
    for at in ("2016-12-31T12:34:60Z", "2016-12-31T23:59:61Z", "2016-12-31T23:59:60"):
        sent = event(1) | {"time": at}
        decoded = asyncio.run(decode([msgspec.json.encode(sent)], NOW_MS, CLIENT))
        assert [verdict.code for verdict in decoded.rejected] == [202], at
