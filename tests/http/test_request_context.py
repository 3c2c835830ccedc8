"""Tests of a request's Accept and Accept-Encoding headers."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.http.request_context import accepts, accepts_gzip


@pytest.mark.parametrize(
    ("accept", "admitted"),
    [
        ("", True),
        ("*/*", True),
        ("application/json", True),
        ("APPLICATION/JSON; charset=utf-8", True),
        ("text/html, application/json;q=0.1", True),
        ("application/*", True),
        ("text/event-stream, application/json", True),
        ("text/html", False),
        ("application/json;q=0", False),
        ("application/json;q=0, */*", False),
        ("application/*;q=0, */*", False),
        ("application/json;q=x", False),
    ],
)
def test_the_most_specific_range_decides(accept: str, admitted: bool) -> None:
    """A missing or empty header accepts anything."""
    assert accepts(accept, "application/json") is admitted


@pytest.mark.parametrize(
    ("header", "admitted"),
    [
        ("", False),
        ("gzip", True),
        ("deflate, GZIP ;q=1.0", True),
        ("x-gzip", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip;q=0.0, *", False),
        ("*;q=0", False),
        ("identity", False),
        ("br, zstd", False),
        ("gzip;q=0.5, identity;q=0.9", False),
        ("gzip;q=0.9, identity;q=0.5", True),
        ("gzip;q=0.5, identity;q=0.5", True),
    ],
)
def test_gzip_is_used_only_if_it_is_preferred(header: str, admitted: bool) -> None:
    """The server does not use gzip if the plain bytes have a higher weight."""
    assert accepts_gzip(header) is admitted


@given(st.text(alphabet="gzip*;q=0.,/ \t\0é") | st.text())
def test_any_header_is_accepted(header: str) -> None:
    """Any text is accepted."""
    assert accepts_gzip(header) in (True, False)
    assert accepts(header, "application/json") in (True, False)


def test_long_headers_are_not_cached() -> None:
    """The cached headers are limited in bytes, and not only in number."""
    accepts("text/html", "application/json")
    accepts_gzip("gzip")
    tracemalloc.start()
    try:
        for number in range(200):
            padding = f"x/{number}" + "y" * 10_000
            assert accepts(f"text/html{padding}", "application/json") is False
            assert accepts_gzip(f"gzip,{padding}") is True
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()
