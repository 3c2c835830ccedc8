"""Tests of the tables that ``--check`` prints."""

from __future__ import annotations

from floorcast.connectors.asterisk.check import tables_of
from floorcast.connectors.asterisk.snapshot import AsteriskSnapshot
from floorcast.connectors.pbx.config import MappingConfig


def test_queues_members_and_callers_are_listed() -> None:
    """The tables have the names that the wallboard will show."""
    anna = {"Name": "Anna", "Location": "PJSIP/1", "Status": "6"}
    snapshot = AsteriskSnapshot(
        at=0.0,
        started="",
        members=[
            {**anna, "Queue": "sales", "Paused": "1"},
            {**anna, "Queue": "support", "Paused": "0"},
            {"Location": "PJSIP/2", "Queue": "sales", "Status": "99", "Paused": "1"},
        ],
        entries=[{"Queue": "billing", "Uniqueid": "1.0", "Wait": "7"}],
    )
    config = MappingConfig(services={"sales": "Sales"}, agents={"Anna": "anna.b"})
    queues, members, callers = tables_of(snapshot, config)
    assert queues[2] == [
        ("billing", "billing", "0", "1"),
        ("sales", "Sales", "2", "0"),
        ("support", "support", "1", "0"),
    ]
    assert members[2] == [
        ("Anna", "anna.b", "PJSIP/1", "sales, support", "ringing", "sales"),
        ("PJSIP/2", "PJSIP/2", "PJSIP/2", "sales", "unknown", "all"),
    ]
    assert callers[2] == [("1.0", "billing", "7")]
