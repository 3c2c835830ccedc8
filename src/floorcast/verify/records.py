"""Converts the log to simple records: decodes each entry's events and replaces names by ids.

The records go into a private file on disk, so that a day of any size can be sorted by call and by
agent without holding it in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from math import inf
from operator import itemgetter

import apsw
import msgspec

from floorcast.verify.names import KnownSite
from floorcast.verify.record_types import (
    AgentAnswer,
    AgentRecord,
    CallRecord,
    CampaignRecord,
    CountingRules,
    Json,
    WrapUpRecord,
    call_key,
)
from floorcast.verify.state_periods import login_states

__all__ = ["Records"]

_SCHEMA = """
CREATE TABLE calls (number INT, session TEXT, position INT, record TEXT);
CREATE INDEX by_call ON calls (number, session, position);
CREATE TABLE agents (agent INT, at INT, position INT, record TEXT);
CREATE INDEX by_time ON agents (agent, at, position);
CREATE TABLE answers (agent INT, at INT, position INT, number INT, session TEXT, record TEXT);
CREATE INDEX by_answer ON answers (agent, at, position);
CREATE TABLE in_calls (agent INT, at INT, position INT, number INT, session TEXT);
CREATE INDEX by_in_call ON in_calls (agent, at, position);
CREATE TABLE wrap_ups (number INT, session TEXT, record TEXT);
CREATE INDEX by_wrapped ON wrap_ups (number, session);
CREATE TABLE campaigns (position INT, record TEXT);
"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LATE_MS = 15 * 60_000  # an agent's state that arrives out of order and later does not count


class Records:
    """Collects the entries of one client's log and returns their records in order."""

    def __init__(self, late_ms: int = _LATE_MS) -> None:
        self.site = KnownSite()
        self.late_ms = late_ms
        self.rules = [CountingRules({})]
        self.recorded_at = 0
        self._position = 0
        self._newest: dict[int, int] = {}
        self._at = 0
        self._database = apsw.Connection("")
        self._database.pragma("journal_mode", "OFF")
        self._database.pragma("synchronous", "OFF")
        self._database.execute("BEGIN")
        self._database.execute(_SCHEMA).fetchall()

    def close(self) -> None:
        """Delete the file."""
        self._database.close()

    def add_entry(self, recorded_at: int, kind: str, payload: bytes) -> None:
        """Add an entry. ``recorded_at`` is in ticks of 100 ns."""
        self.recorded_at = recorded_at // 10_000
        if kind == "site":
            config = json.loads(payload)
            self.site.apply_site_entry(config)
            self.rules.append(CountingRules(config))
            return
        for line in payload.split(b"\n"):
            if line:
                self._add_event(json.loads(line))

    def calls(self) -> Iterator[list[CallRecord]]:
        """Yield the events of each call in the order of the log."""
        rows = self._database.execute("SELECT record FROM calls ORDER BY number, session, position")
        call_events = (CallRecord(*json.loads(str(record))) for (record,) in rows)
        for _, events in groupby(call_events, key=call_key):
            yield list(events)

    def call_events(self, name: tuple[int, str], before: float = inf) -> list[CallRecord]:
        """Return one call's events before a position in the log."""
        rows = self._database.execute(
            "SELECT record FROM calls WHERE number = ? AND session = ? AND position < ?"
            " ORDER BY position",
            (*name, before),
        )
        return [CallRecord(*json.loads(str(record))) for (record,) in rows]

    def agents(self) -> Iterator[tuple[int, list[AgentRecord]]]:
        """Yield each agent and its events in the order of their times."""
        rows = self._database.execute(
            "SELECT agent, record FROM agents ORDER BY agent, at, position"
        )
        for agent, found in groupby(rows, key=itemgetter(0)):
            yield int(str(agent)), [AgentRecord(*json.loads(str(record))) for _, record in found]

    def add_state(self, agent: int, event: AgentRecord, own: int | None) -> None:
        """Record the call that an agent's state names.

        ``own`` is the agent's service at that time.
        """
        if event.call is None or event.kind != "state":
            return
        fields = {"event": event.data["eventType"], **event.data["call"]}
        service = own if event.named is None else event.named
        where = (event.position, event.event_time, event.at)
        if event.data["eventType"] == "IN_CALL":
            row = (agent, event.at, event.position, *event.call)
            self._database.execute("INSERT INTO in_calls VALUES (?, ?, ?, ?, ?)", row)
        rules, recorded_at = event.rules, event.recorded_at
        self._add_call_record(
            CallRecord(*where, "state", service, agent, None, rules, fields, recorded_at)
        )

    def add_answer(self, agent: int, answer: AgentAnswer) -> None:
        """Record that an agent answered a call."""
        row = (agent, answer.at, answer.position, answer.number, answer.session, json.dumps(answer))
        self._database.execute("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?)", row)

    def has_left(self, agent: int, call: tuple[int, str], at: int) -> bool:
        """Return whether an agent was in another call after its answer to this call.

        Only events at or before the time ``at`` count.
        """
        other = self._database.execute(
            "SELECT at, position FROM in_calls WHERE agent = ? AND at <= ?"
            " AND NOT (number = ? AND session = ?) ORDER BY at DESC, position DESC LIMIT 1",
            (agent, at, *call),
        ).fetchall()
        own = self._database.execute(
            "SELECT at, position FROM answers WHERE agent = ? AND at <= ?"
            " AND number = ? AND session = ? ORDER BY at DESC, position DESC LIMIT 1",
            (agent, at, *call),
        ).fetchall()
        return bool(other) and (not own or other[0] > own[0])

    def add_wrap_up(self, call: tuple[int, str], wrap_up: WrapUpRecord) -> None:
        """Record that a wrap-up belongs to a call."""
        row = (*call, json.dumps(wrap_up))
        self._database.execute("INSERT INTO wrap_ups VALUES (?, ?, ?)", row)

    def wrap_ups_of(self, call: tuple[int, str]) -> list[WrapUpRecord]:
        """Return the wrap-ups of a call."""
        rows = self._database.execute(
            "SELECT record FROM wrap_ups WHERE number = ? AND session = ?", call
        )
        return [WrapUpRecord(*json.loads(str(record))) for (record,) in rows]

    def add_campaign_record(self, record: CampaignRecord) -> None:
        """Record a report about a campaign."""
        row = (record.position, json.dumps(record))
        self._database.execute("INSERT INTO campaigns VALUES (?, ?)", row)

    def campaign_records(self) -> Iterator[CampaignRecord]:
        """Yield the records about campaigns in the order of the log."""
        for (record,) in self._database.execute("SELECT record FROM campaigns ORDER BY position"):
            yield CampaignRecord(*json.loads(str(record)))

    def _add_event(self, event: Json) -> None:
        self._position += 1
        time_text = event.get("time")
        self._at = self.recorded_at if time_text is None else _to_ms(time_text)
        data = event["data"]
        kind = event["type"]
        if kind == "alert.transition":
            return  # no figure uses it
        if kind == "agent.state":
            self._add_agent_state(data)
        elif kind == "campaign.update":
            self._add_campaign_update(data)
        elif kind == "agent.missed":
            self._add_missed(data)
        elif kind in ("email.attempt", "sms.attempt"):
            self.site.service(data["service"])
            self._campaign_id(data)
        else:
            self._add_call(kind.removeprefix("call."), data)

    def _add_agent_state(self, data: Json) -> None:
        site = self.site
        agent = site.agent(data["agent"])
        service = self._service_id(data)
        named = self._service_id(data.get("call") or {})
        listed = data.get("services")
        services = None if listed is None else [site.service(one) for one in listed]
        if data.get("team") is not None:
            site.names.find("team", data["team"])
        if data.get("agent2") is not None:
            site.agent(data["agent2"])
        at = min(self._at, self.recorded_at)  # a source whose clock is ahead adds no time
        for former in site.former_ids.pop(site.agents[agent][0], ()):
            if former != agent and former in self._newest:
                self._log_off(former, at)
                self._inherit(agent, former, at)
        members = (service, services, named, data)
        fields = (self._position, at, self._at, len(self.rules) - 1, *members, self.recorded_at)
        newest = self._newest.get(agent, at)
        if at >= newest or self.recorded_at - at <= self.late_ms:
            self._newest[agent] = max(at, newest)
            self._add_agent_record(agent, AgentRecord("state", *fields))
        elif data["eventType"] == "LOGON":
            self._add_agent_record(agent, AgentRecord("late", *fields)._replace(at=newest))

    def _log_off(self, agent: int, at: int) -> None:
        """Record that an agent logged off, because its login's new id has its first event."""
        at = self._newest[agent] = max(self._newest[agent], at)
        members = (len(self.rules) - 1, None, None, None, {"eventType": "LOGOFF"})
        self._add_agent_record(
            agent, AgentRecord("state", self._position, at, at, *members, self.recorded_at)
        )

    def _inherit(self, agent: int, former: int, at: int) -> None:
        """Record that an agent works for the services of its former id, from its first event on.

        This is the same as a LOGON that arrives late and names these services.
        """
        rows = self._database.execute(
            "SELECT record FROM agents WHERE agent = ? ORDER BY at, position", (former,)
        )
        login = login_states([AgentRecord(*json.loads(str(record))) for (record,) in rows])[-1]
        if login.current_service is not None:
            at = self._newest[agent] = max(self._newest.get(agent, at), at)
            when = (self._position, at, login.named_at, len(self.rules) - 1)
            members = (login.current_service, list(login.services), None, {"eventType": "LOGON"})
            self._add_agent_record(agent, AgentRecord("late", *when, *members, self.recorded_at))
        self._position += 1  # the agent's event follows

    def _add_agent_record(self, agent: int, event: AgentRecord) -> None:
        row = (agent, event.at, event.position, json.dumps(event))
        self._database.execute("INSERT INTO agents VALUES (?, ?, ?, ?)", row)

    def _add_campaign_update(self, data: Json) -> None:
        number = self.site.campaign(data["campaign"])
        if data.get("name") is not None:
            self.site.name_campaign(number, data["name"], self._at)
        self.add_campaign_record(
            CampaignRecord(self._position, number, self._at, self._service_id(data), data)
        )

    def _add_call(self, kind: str, data: Json) -> None:
        campaign = self._campaign_id(data) if kind == "end" else None
        service = self._service_id(data) if kind in ("start", "queue", "end", "update") else None
        if kind in ("start", "update"):
            campaign = self._campaign_id(data)
        agent = data.get("agent") if kind in ("answer", "end", "disposition") else None
        if agent is None and kind == "end":
            agent = data.get("agentId")
        by = None if agent is None else self.site.agent(agent)
        self._add_call_record(self._call_record(kind, service, by, campaign, data))
        if kind == "answer" and by is not None:
            self._add_answered(by, data)

    def _add_missed(self, data: Json) -> None:
        agent, service = self.site.agent(data["agent"]), self._service_id(data)
        self._add_call_record(self._call_record("missed", service, agent, None, data))

    def _service_id(self, data: Json) -> int | None:
        return None if data.get("service") is None else self.site.service(data["service"])

    def _campaign_id(self, data: Json) -> int | None:
        return None if data.get("campaign") is None else self.site.campaign(data["campaign"])

    def _add_answered(self, agent: int, data: Json) -> None:
        at = min(self._at, self.recorded_at)
        newest = self._newest.get(agent, at)
        if at >= newest or self.recorded_at - at <= self.late_ms:
            self._newest[agent] = max(at, newest)
            fields = (self._position, at, self._at, len(self.rules) - 1, None, None, None)
            self._add_agent_record(
                agent, AgentRecord("answered", *fields, {"call": data}, self.recorded_at)
            )

    def _call_record(
        self,
        kind: str,
        service: int | None,
        agent: int | None,
        campaign: int | None,
        data: Json,
    ) -> CallRecord:
        when = (self._position, self._at, min(self._at, self.recorded_at))
        rules = len(self.rules) - 1
        return CallRecord(*when, kind, service, agent, campaign, rules, data, self.recorded_at)

    def _add_call_record(self, event: CallRecord) -> None:
        row = (*call_key(event), event.position, json.dumps(event))
        self._database.execute("INSERT INTO calls VALUES (?, ?, ?, ?)", row)


def _to_ms(time_text: str) -> int:
    return (msgspec.convert(time_text, datetime) - _EPOCH) // _MILLISECOND
