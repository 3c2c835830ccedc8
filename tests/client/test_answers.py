"""Tests that the types of responses match what this server sends."""

from __future__ import annotations

import pytest
from msgspec import Struct, structs, to_builtins

from floorcast.archive import answers as reports
from floorcast.client import agent_answers, answers, report_answers
from floorcast.http.handlers import call_data, sessions
from floorcast.statistics import (
    agent_averages,
    agent_stats,
    agent_status,
    alert_list,
    campaign_stats,
    figure_calls,
    interval_rows,
    live_connects,
    service_intervals,
    service_stats,
    waiting_calls,
)

KINDS: list[tuple[type[Struct], type[Struct]]] = [
    (sessions.LoggedIn, answers.LoggedIn),
    (call_data.InCall, answers.InCall),
    (call_data.CallConsumer, answers.Consumer),
    (call_data.PostCall, answers.PostCall),
    (campaign_stats.CampaignAnswer, answers.CampaignAnswer),
    (campaign_stats.CampaignStatistics, answers.CampaignStatistics),
    (campaign_stats.TimezoneCount, answers.TimezoneCount),
    (agent_averages.AgentAveragesAnswer, agent_answers.AgentAveragesAnswer),
    (agent_averages.AgentAverages, agent_answers.AgentAverages),
    (agent_stats.AgentStatisticsAnswer, agent_answers.AgentStatisticsAnswer),
    (agent_stats.AgentStatistics, agent_answers.AgentStatistics),
    (agent_stats.AgentStatisticsExAnswer, agent_answers.AgentStatisticsExAnswer),
    (agent_stats.AgentServices, agent_answers.AgentServices),
    (agent_stats.ServiceFigures, agent_answers.ServiceFigures),
    (agent_status.AgentStatusAnswer, agent_answers.AgentStatusAnswer),
    (agent_status.AgentDetails, agent_answers.AgentDetails),
    (waiting_calls.WaitingCallsAnswer, answers.WaitingCallsAnswer),
    (waiting_calls.WaitingCall, answers.WaitingCall),
    (live_connects.LiveConnectsAnswer, answers.LiveConnectsAnswer),
    (live_connects.LiveConnects, answers.LiveConnects),
    (service_stats.ServiceAnswer, answers.ServiceAnswer),
    (service_intervals.IntervalAnswer, answers.IntervalAnswer),
    (interval_rows.ServiceInterval, answers.ServiceInterval),
    (figure_calls.FigureCallsAnswer, answers.FigureCallsAnswer),
    (figure_calls.FigureCall, answers.FigureCall),
    (alert_list.AlertAnswer, answers.AlertAnswer),
    (alert_list.AlertRow, answers.AlertRow),
    (reports.ServiceReport, report_answers.ServiceReport),
    (reports.AgentReport, report_answers.AgentReport),
    (reports.AgentInterval, report_answers.AgentInterval),
    (reports.CallReport, report_answers.CallReport),
    (reports.ArchivedCall, report_answers.ArchivedCall),
    (reports.MissingHour, report_answers.MissingHour),
    (service_stats.ServiceStatistics, answers.ServiceStatistics),
    (service_stats.OutboundCall, answers.OutboundCall),
]


@pytest.mark.parametrize(("ours", "theirs"), KINDS, ids=[ours.__name__ for ours, _ in KINDS])
def test_response_types_have_every_member_of_the_server(
    ours: type[Struct], theirs: type[Struct]
) -> None:
    """The names are equal, except for members that come from floorcast's headers."""
    sent = {field.encode_name for field in structs.fields(ours)}
    known = {field.encode_name for field in structs.fields(theirs)}
    assert known - {"feedToken"} == sent


@pytest.mark.parametrize("kind", [theirs for _, theirs in KINDS[1:]])
def test_missing_member_is_none(kind: type[Struct]) -> None:
    """A missing list is empty. Other servers may omit what they do not know."""
    assert all(value in (None, []) for value in to_builtins(kind()).values())
