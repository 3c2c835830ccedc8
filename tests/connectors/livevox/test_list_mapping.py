"""Tests that map the lists of another server to events for what differs."""

from __future__ import annotations

from floorcast.client.agent_answers import AgentDetails
from floorcast.client.answers import CampaignStatistics, TimezoneCount, WaitingCall
from tests.connectors.livevox.mapping_harness import NAMED, NOON, MappingHarness, iso, ms_after_noon


def test_a_listed_waiting_call_is_matched_by_its_number() -> None:
    """A listed call waits from its row's time. Repeated and unrelated rows have no effect."""
    harness = MappingHarness()
    harness.call("CALL_START", 300, start=iso(300), callerId="555")
    row = WaitingCall(service_id=5, phone="555", time_stamp=NOON // 1000)
    other = WaitingCall(service_id=5, phone="556", time_stamp=NOON // 1000)
    (event,) = harness.lists.map_waiting_calls([other, row])
    assert (event.type, ms_after_noon(event), event.data["service"]) == ("call.queue", 300, 5)
    assert harness.lists.map_waiting_calls([row]) == []
    (moved,) = harness.lists.map_waiting_calls(
        [WaitingCall(service_id=6, phone="555", time_stamp=NOON // 1000 + 9)]
    )
    assert (ms_after_noon(moved), moved.data["service"]) == (9_000, 6)
    harness.agent("IN_CALL", 20_000, callServiceId=6, **NAMED)
    assert [one.type for one in harness.ended(30_000, 20, serviceId=6)] == ["call.end"]


def test_two_rows_with_the_same_number_are_two_calls() -> None:
    """Two calls from the same number can wait at the same time."""
    harness = MappingHarness()
    for number in (1, 2):
        harness.call(
            "CALL_START", number * 1_000, start=iso(number * 1_000), callerId="555",
            transactionId=number, sessionId=str(number),
        )  # fmt: skip
    rows = [
        WaitingCall(service_id=5, phone="555", time_stamp=NOON // 1000 + number)
        for number in (2, 1)
    ]
    found = harness.lists.map_waiting_calls(rows)
    assert {(one.data["transactionId"], ms_after_noon(one)) for one in found} == {
        (1, 1_000),
        (2, 2_000),
    }


def test_a_campaign_is_sent_when_its_counts_change_and_every_hour() -> None:
    """A campaign is sent when its counts change and every hour.

    The first event of a day adds the campaign to that day's list.
    """
    lists = MappingHarness().lists
    row = CampaignStatistics(
        campaign_id=9,
        loaded=10,
        remaining=4,
        timezone_breakdown=[TimezoneCount(timezone="ET", count=4)],
    )
    (event,) = lists.map_campaigns([row], NOON)
    assert event.data == {"campaign": 9, "loaded": 10, "remaining": 4, "timezones": {"ET": 4}}
    assert lists.map_campaigns([row], NOON + 60_000) == []
    assert len(lists.map_campaigns([row], NOON + 3_600_000)) == 1
    row.remaining = 3
    assert len(lists.map_campaigns([row], NOON + 3_600_001)) == 1


def test_agent_states_are_corrected_after_lost_events() -> None:
    """Only newer states are sent. Agents who are missing from the list have logged off."""
    harness = MappingHarness()
    for agent in (1, 2, 3):
        harness.agent("READY", 0, agent=agent)
    rows = [
        AgentDetails(agent_login_id="A1", state_id=3, reason_code="LUNCH",
                     state_changed_after=NOON + 5, service_id=5),
        AgentDetails(agent_login_id="A2", state_id=2, state_changed_after=NOON),
        AgentDetails(agent_login_id="A9", state_id=2, state_changed_after=NOON + 9),
    ]  # fmt: skip
    found = harness.lists.map_statuses(rows, NOON + 60_000)
    assert [(one.data["agent"], one.data["eventType"], ms_after_noon(one)) for one in found] == [
        (1, "NOT_READY", 5),
        (3, "LOGOFF", 60_000),
    ]
    assert harness.lists.map_statuses(rows, NOON + 60_000) == []
