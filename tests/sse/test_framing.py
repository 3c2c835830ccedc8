"""Tests of the text of streams, which follows the reference."""

from __future__ import annotations

import itertools

import pytest

from floorcast.feeds.blocks import Page
from floorcast.sse import framing
from floorcast.sse.framing import StreamFormat
from tests.sse.connections import stream_text

FORMS = [StreamFormat(*flags) for flags in itertools.product((False, True), repeat=3)]


@pytest.mark.parametrize("form", FORMS)
def test_an_event_is_one_data_line_and_a_blank_line(form: StreamFormat) -> None:
    """In any format, an event has one data line, and if ids are requested, an id before it."""
    page = Page(b'{"a":1}\n{"b":2}', 2, 8, at_head=True, positions=([7], [8]))
    chunk = framing.events(page, form, str)
    head = framing.opening(form, "5")
    expected = (
        b'id: 5\n\nid: 7\ndata: {"a":1}\n\nid: 8\ndata: {"b":2}\n\n'
        if form.ids
        else b'data: {"a":1}\n\ndata: {"b":2}\n\n'
    )
    assert stream_text(head.wire + chunk.wire, form) == expected
    assert framing.events(page, form, str) is chunk


def test_comments_begin_with_a_colon() -> None:
    """A blank line follows a comment, so a reader that splits at blank lines loses no event."""
    said = framing.comment("keepalive 2021-04-24 07:34:29-0400")
    assert said == b": keepalive 2021-04-24 07:34:29-0400\n\n"
    assert framing.comment("closed", "7") == b": closed\n\nid: 7\n\n"
