"""Tests that binary mode and ``data_base64`` lead to the same events as plain JSON."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.ingest.content_modes import decode_base64_data, is_binary, read_binary_event
from floorcast.ingest.decode import decode, split_body
from floorcast.model.errors import (
    InvalidParameter,
    MissingParameter,
    NotAnObject,
    Refusal,
    TooLarge,
)

NOW_MS = 1_795_428_000_000
DATA = {"transactionId": 1, "sessionId": "s\n\u20ac"}
ENVELOPE = {"specversion": "1.0", "id": "1", "source": "pbx", "type": "call.queue"}


def headers(**changed: str | None) -> list[tuple[bytes, bytes]]:
    """Return the headers of an event, without those set to None."""
    named = {name: value for name, value in (ENVELOPE | changed).items() if value is not None}
    return [(f"ce-{name}".encode(), value.encode()) for name, value in named.items()]


@given(st.text(min_size=1, max_size=40))
def test_an_attribute_is_percent_decoded(text: str) -> None:
    """Any text survives the SDKs' encoding, whether it needs encoding or not."""
    line = read_binary_event(headers(id=quote(text, safe="")), b"{}")
    assert msgspec.json.decode(line)["id"] == text


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (b'"a \\"b\\" c"', 'a "b" c'),
        ("Z\u00fcrich".encode(), "Z\u00fcrich"),
        ("Z\u00fcrich".encode("latin-1"), "Z\u00fcrich"),
        (b"50%", "50%"),
        (b" 1 ", "1"),
        (b"100%2525", "100%25"),
    ],
)
def test_header_values_are_decoded_exactly_once(sent: bytes, text: str) -> None:
    """Quoted text, raw UTF-8, Latin-1 and a lone percent sign are each decoded exactly once."""
    line = read_binary_event([*headers(source=None), (b"ce-source", sent)], b"{}")
    assert msgspec.json.decode(line)["source"] == text


@pytest.mark.parametrize("time", [None, "2026-11-22T15:00:00.25+01:00"])
def test_binary_and_structured_modes_give_equal_events(time: str | None) -> None:
    """In any layout, the line has the envelope's members and the body."""
    body = msgspec.json.format(msgspec.json.encode(DATA), indent=2).replace(b"\n", b"\r\n")
    timed = {} if time is None else {"time": time}
    (line,) = split_body(read_binary_event(headers(**timed), body), "one")
    structured = msgspec.json.encode({**ENVELOPE, **timed, "data": DATA})
    decoded = [asyncio.run(decode([one], NOW_MS, 1)) for one in (line, structured)]
    assert decoded[0].events == decoded[1].events != []
    assert b"\n" not in line


@pytest.mark.parametrize("name", ENVELOPE)
def test_a_missing_header_is_named(name: str) -> None:
    """All four headers are required."""
    with pytest.raises(MissingParameter, match=f"ce-{name} is required"):
        read_binary_event(headers(**{name: None}), b"{}")


def test_a_repeated_header_must_not_have_different_values() -> None:
    """Two different values are refused. Equal values count as one."""
    twice = [*headers(), (b"ce-id", b"1")]
    assert read_binary_event(twice, b"{}") == read_binary_event(headers(), b"{}")
    with pytest.raises(InvalidParameter, match="ce-id occurs twice"):
        read_binary_event([*twice, (b"ce-id", b"2")], b"{}")


@pytest.mark.parametrize(
    "body",
    [b"{", b'{},"source":"another"', b'{} "x"', b"\xff", b"[" * 2000, b'{"a": "\n"}', b"// {}"],
)
def test_the_body_must_be_one_json_value(body: bytes) -> None:
    """The body cannot escape from ``data`` into the envelope."""
    with pytest.raises(NotAnObject, match="the body is not JSON"):
        read_binary_event(headers(), body)


def test_a_body_larger_than_an_event_can_be_is_not_read() -> None:
    """Its size is checked first."""
    with pytest.raises(TooLarge, match="at most 1,000,000 bytes, and this one has 1,000,001"):
        read_binary_event(headers(), b"[" * 1_000_001)


def test_an_empty_body_means_missing_data() -> None:
    """The verdict says that data is required."""
    line = read_binary_event(headers(), b" ")
    (verdict,) = asyncio.run(decode([line], NOW_MS, 1)).rejected
    assert verdict.message == "data is required"


def test_attribute_headers_mean_binary_mode() -> None:
    """One attribute header is enough, but an extension header is not."""
    assert is_binary(headers())
    assert is_binary([(b"ce-time", b"")])
    assert not is_binary([(b"content-type", b"application/json"), (b"ce-traceparent", b"00-a")])


def base64(data: bytes, /, **more: object) -> bytes:
    """Return an event with these bytes as ``data_base64``."""
    return msgspec.json.encode({**ENVELOPE, "data_base64": b64encode(data).decode(), **more})


def test_data_base64_is_decoded_to_data() -> None:
    """The lines for the log have ``data`` instead. This includes events with line breaks."""
    plain = msgspec.json.encode({**ENVELOPE, "data": DATA})
    encoded = base64(msgspec.json.format(msgspec.json.encode(DATA)))
    lines = split_body(b"[" + b",".join([plain, encoded]) + b"]", "batch")
    decoded = asyncio.run(decode(lines, NOW_MS, 1))
    assert decoded.events[0] == decoded.events[1]
    assert decoded.rejected == []
    again = asyncio.run(decode(list(decoded.lines), NOW_MS, 1))
    assert again.events == decoded.events
    assert not any(b"data_base64" in line or b"\n" in line for line in decoded.lines)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (base64(b"{"), "data_base64 is not JSON"),
        (base64(b"[" * 2000), "data_base64 is not JSON"),
        (msgspec.json.encode({**ENVELOPE, "data_base64": "*"}), "data_base64 must be base64"),
        (msgspec.json.encode({**ENVELOPE, "data_base64": 5}), "data is required"),
        (base64(b"{}", data={}), "data.transactionId is required"),
        (base64(b"{}"), "data.transactionId is required"),
        (base64(b"5"), "data must be an object"),
        (base64(b"{}", type=5), "type must be one of"),
    ],
)
def test_invalid_data_base64_is_rejected(line: bytes, why: str) -> None:
    """The verdict names the defect. If ``data`` is present, it is used instead."""
    (verdict,) = asyncio.run(decode([line], NOW_MS, 1)).rejected
    assert verdict.message.startswith(why)
    assert verdict.id == "1"


def test_an_event_without_data_base64_keeps_its_error() -> None:
    """The verdict is the original one."""
    why = Refusal("no")
    with pytest.raises(Refusal) as raised:
        decode_base64_data(b'{"data_base64x": 1}', why)
    assert raised.value is why
