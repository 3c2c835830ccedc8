"""Tests of the table of routes."""

from __future__ import annotations

from floorcast.http.app import RouteTable
from floorcast.http.routes import ROUTES


def test_every_route_is_documented() -> None:
    """The documentation is generated from the table."""
    assert len(RouteTable(ROUTES)._paths) >= 15  # noqa: SLF001 - there is no other way to count them
    for row in ROUTES:
        assert row.doc.endswith("."), row.path
        assert row.handler.__doc__, row.path
