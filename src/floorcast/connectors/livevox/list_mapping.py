"""Maps the lists that another server returns to events for this server. No I/O, no clock.

The lists are requested regularly: the waiting calls, the campaigns and, after feed events have been
lost, the agents' states.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from floorcast.client import CloudEvent
from floorcast.client.agent_answers import AgentDetails
from floorcast.client.answers import CampaignStatistics, WaitingCall
from floorcast.connectors.livevox.event_data import Data, without_none
from floorcast.connectors.livevox.events import is_time, is_too_large, new_event
from floorcast.connectors.livevox.state import FeedAgent, FeedState, SentCampaign
from floorcast.connectors.livevox.waits import SECOND_MS, by_contact, match_waiting_call
from floorcast.connectors.pbx.source_clock import IMPOSSIBLY_AHEAD_SECONDS
from floorcast.connectors.pbx.unreadable import Unreadable
from floorcast.model.states import EVENT_STATE
from floorcast.model.states import State as AgentStateName

__all__ = ["ListMapper"]

# after this time, unchanged campaign counts are sent again; each day has its own campaigns
RESEND_AFTER_MS = 3_600_000
IMPOSSIBLY_AHEAD_MS = round(IMPOSSIBLY_AHEAD_SECONDS * 1000)

_STATUS_EVENT = {
    AgentStateName.HOLD.value: "AGENT_HOLD",
    AgentStateName.PREVIEW_DIAL.value: "PREVIEW_DIAL_OFFERED",
}


class ListMapper:
    """Compares a list with the known state and returns the events for what differs.

    ``source`` names the followed server in ids. ``skip`` is called with the reason for each row
    that cannot become an event. The other rows are not affected.
    """

    def __init__(self, source: str, state: FeedState, skip: Callable[[Unreadable], None]) -> None:
        self._source = source
        self._state = state
        self._skip = skip

    def map_waiting_calls(self, rows: Sequence[WaitingCall]) -> list[CloudEvent]:
        """Map the calls that are waiting now.

        Each row is a call of the feed that has no agent yet. A row has no id. It is therefore
        matched with the latest call that has the same phone number or account and began before the
        row's time.
        """
        if not rows:
            return []
        free = by_contact(self._state.calls.values())
        used: set[str] = set()
        events = []
        named = [row for row in rows if is_time((row.time_stamp or 0) * SECOND_MS)]
        for row in sorted(named, key=lambda one: one.time_stamp or 0, reverse=True):
            found = match_waiting_call(row, free, used)
            if found is None or found.waits_at == row.service_id or is_too_large(row.service_id):
                continue
            call = self._state.call(found.transaction, found.session, found.first_seen)
            call.waits_at = call.served = row.service_id
            call.turns += 1
            joined = max((row.time_stamp or 0) * SECOND_MS, call.free_since or 0)
            call.waited_first = call.waited_first or call.answered is None
            data = without_none(
                transactionId=call.transaction,
                sessionId=call.session,
                service=row.service_id,
                priority=row.priority,
            )
            event_id = f"{call.key}/queue/{call.turns}"
            events += self._events(event_id, "call.queue", joined, data)
        return events

    def map_campaigns(self, rows: Sequence[CampaignStatistics], now: int) -> list[CloudEvent]:
        """Map the changed counts of today's campaigns. ``now`` is in ms."""
        events = []
        for row in rows:
            if row.campaign_id is None:
                continue
            zones = {
                one.timezone: one.count
                for one in row.timezone_breakdown
                if one.timezone and one.count is not None
            }
            counts = without_none(
                service=row.service_id,
                uploaded=row.uploaded,
                loaded=row.loaded,
                completed=row.completed,
                remaining=row.remaining,
                timezones=zones or None,
            )
            if is_too_large({"campaign": row.campaign_id, **counts}):
                self._skip(Unreadable("a campaign with a number that is too large"))
                continue
            name = str(row.campaign_id)
            last = self._state.campaigns.get(name)
            if last is not None and last.counts == counts and now - last.at < RESEND_AFTER_MS:
                continue
            self._state.store_campaign(name, SentCampaign(counts=counts, at=now))
            data = {"campaign": row.campaign_id, **counts}
            events += self._events(f"campaign/{name}/{now}", "campaign.update", now, data)
        return events

    def map_statuses(self, rows: Sequence[AgentDetails], now: int) -> list[CloudEvent]:
        """Convert the states of logged-in agents to events after feed events have been lost.

        Returns an event for each state that began after the agent's last event, and a LOGOFF for
        each agent who is no longer logged in. Agents without an id in the feed are ignored.
        """
        by_login = {row.agent_login_id: row for row in rows if row.agent_login_id}
        events = []
        for name, agent in list(self._state.agents.items()):
            row = by_login.get(agent.login) if agent.login else None
            if row is not None:
                events += self._map_status(name, agent, row, now)
            elif agent.login and agent.kind not in {"", "LOGOFF"}:
                events += self._status_events(name, "LOGOFF", now, {})
        return events

    def _map_status(
        self, name: str, agent: FeedAgent, row: AgentDetails, now: int
    ) -> list[CloudEvent]:
        kind, since = _kind_of(row.state_id), row.state_changed_after
        if kind is None or since is None or not agent.at < since <= now + IMPOSSIBLY_AHEAD_MS:
            return []
        call = without_none(
            transactionId=row.transaction_id,
            sessionId=row.session_id,
            account=row.account,
            phoneNumber=row.phone,
        )
        data = without_none(service=row.service_id, reason=row.reason_code, call=call or None)
        return self._status_events(name, kind, since, data)

    def _status_events(self, name: str, kind: str, at: int, data: Data) -> list[CloudEvent]:
        agent = self._state.agent(name)
        agent.kind, agent.at = kind, at
        named: Data = {"agent": int(name) if name.isdigit() else name, "eventType": kind}
        return self._events(f"status/{name}/{kind}/{at}", "agent.state", at, named | data)

    def _events(self, event_id: str, kind: str, at: int, data: Data) -> list[CloudEvent]:
        try:
            return [new_event(self._source, event_id, kind, at, data)]
        except Unreadable as error:
            self._skip(error)
            return []


def _kind_of(state_id: int | None) -> str | None:
    """Return the type of the event that puts an agent into a state, or None if there is none."""
    if state_id in _STATUS_EVENT:
        return _STATUS_EVENT[state_id]
    found = [one.name for one in AgentStateName if one.value == state_id]
    return found[0] if found and found[0] in EVENT_STATE else None
