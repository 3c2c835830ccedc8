"""Tests that read two captures of a real Asterisk into stored events, without a network."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from floorcast.client import CloudEvent
from floorcast.connectors.asterisk.processor import AsteriskItem, AsteriskProcessor
from floorcast.connectors.pbx.config import MappingConfig
from tests.connectors.asterisk.captured import SOURCES, VERSIONS, as_json, items
from tests.connectors.pbx.figures import Figures, Floor

LATER = 2e9  # epoch seconds, long after the captures

EXPECTED = {
    "22.10.1": {"sales": Figures(4, 2, 2, 0), "support": Figures(4, 2, 0, 2)},
    "16.28": {"sales": Figures(4, 2, 2, 0), "support": Figures(4, 2, 0, 2)},
}


class SpoolContents:
    """The contents of a spool: rows, position and events."""

    def __init__(self) -> None:
        self.events: list[CloudEvent] = []
        self._rows: dict[tuple[str, str], bytes] = {}
        self._position: dict[str, str] = {}

    def store_step(self, processor: AsteriskProcessor) -> None:
        events, rows, position, _ = processor.take_step()
        self.events += events
        for key, row in rows.items():
            if row is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = msgspec.json.encode(row)
        self._position |= position

    def processor(self, sources: str) -> AsteriskProcessor:
        """Return a processor that starts from the stored rows."""
        rows = [(*key, row) for key, row in self._rows.items()]
        return AsteriskProcessor(MappingConfig(), rows, self._position, has_ami=sources != "log")


def read(found: list[AsteriskItem], sources: str, *, killed_after: int = 0) -> list[CloudEvent]:
    """Return all events of a connector that may be killed once and restarted."""
    spool = SpoolContents()
    processor = spool.processor(sources)
    for index, item in enumerate(found):
        if killed_after and index == killed_after:
            processor = spool.processor(sources)
        processor.apply(item)
        spool.store_step(processor)
    processor.advance(LATER)
    spool.store_step(processor)
    return spool.events


@pytest.mark.parametrize("sources", SOURCES)
@pytest.mark.parametrize("version", VERSIONS)
def test_all_sources_produce_the_same_figures(version: str, sources: str) -> None:
    """AMI, the queue log and both together produce the same figures, and no call stays open."""
    floor = Floor(as_json(read(items(version, sources), sources)))
    assert floor.figures() == EXPECTED[version]
    assert floor.open == set()
    assert floor.waits == {}


@pytest.mark.parametrize("version", VERSIONS)
def test_both_sources_produce_the_same_events_as_ami_alone(version: str) -> None:
    """A repeated PBX event counts once, with AMI's time. The log adds the reason for leaving."""

    def without_reasons(sources: str) -> list[tuple[str, Any]]:
        return [
            (one["id"], {**one, "data": {**one["data"], "reason": ""}})
            for one in as_json(read(items(version, sources), sources))
        ]

    assert without_reasons("both") == without_reasons("ami")


@pytest.mark.parametrize("version", VERSIONS)
def test_calls_have_the_same_ids_in_all_sources(version: str) -> None:
    """Calls have the same ids in both sources, so the queue log can fill a gap in AMI."""

    def ids(sources: str) -> set[str]:
        return {
            one.id
            for one in read(items(version, sources), sources)
            if one.type != "agent.state" or "/connect/" in one.id
        }

    assert ids("ami") == ids("log") == ids("both")


@pytest.mark.parametrize("version", VERSIONS)
def test_queue_log_times_are_within_a_second_of_ami_times(version: str) -> None:
    """Waits and talk times differ only by the rounding of the log to whole seconds."""
    found = {
        sources: {one.id: one.time.timestamp() for one in read(items(version, sources), sources)}
        for sources in ("ami", "log")
    }
    for number in found["ami"].keys() & found["log"].keys():
        in_a_menu = number.removesuffix("end") + "1/leave" in found["log"]
        if not in_a_menu:  # the log does not record when this caller hangs up
            assert abs(found["ami"][number] - found["log"][number]) <= 1.0, number


@pytest.mark.parametrize("sources", SOURCES)
def test_a_kill_after_any_item_does_not_change_the_events(sources: str) -> None:
    """A connector killed after any item continues from its rows, which have the whole state."""
    found = items("22.10.1", sources)
    expected = read(found, sources)
    for index in range(1, len(found), 1 if sources == "log" else 7):
        again = read(found, sources, killed_after=index)
        # PBX events pending from the other source are not stored. Their ids make them duplicates.
        if sources == "both":
            again = list({one.id: one for one in again}.values())
            assert {one.id for one in expected} <= {one.id for one in again}, index
        else:
            assert again == expected, index


@pytest.mark.parametrize("sources", SOURCES)
def test_event_ids_are_unique(sources: str) -> None:
    """No two events have the same id, because the server would ignore the second as a duplicate."""
    ids = [one.id for one in read(items("22.10.1", sources), sources)]
    assert len(ids) == len(set(ids))
