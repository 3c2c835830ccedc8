"""The demo's floor: a morning that has happened, an afternoon that will."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from importlib.resources import files

from floorcast.cli.demo import API_TOKEN, INGEST_KEY, floor_at_work


def test_what_has_happened_is_told_at_once_and_the_rest_in_its_time() -> None:
    """Nothing of the past lies in the future, and the day goes on for hours."""
    now = datetime(2026, 11, 23, 3, 30, tzinfo=UTC)
    past, coming = floor_at_work(now)
    assert max(event.time for event in past) <= now
    assert min(event.time for event in coming) > now
    assert (coming[-1].time - now).total_seconds() > 8 * 3600
    assert len({event.id for event in past + coming}) == len(past) + len(coming)


def test_what_is_printed_opens_the_example_site() -> None:
    """The token and the key that the greeting shows are those of the example site."""
    site = tomllib.loads((files("floorcast") / "example_site.toml").read_text("utf-8"))
    (client,) = site["client"]
    assert client["api_tokens"] == [API_TOKEN]
    assert client["ingest_keys"] == [INGEST_KEY]
    services = {service["name"] for service in client["service"]}
    past, _ = floor_at_work(datetime(2026, 11, 23, 15, tzinfo=UTC))
    named = {event.data["service"] for event in past if "service" in event.data}
    assert named <= services
