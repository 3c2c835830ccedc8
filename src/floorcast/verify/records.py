"""The log as plain records: each entry's events decoded by hand, with every name made an id.

Records go into a private file on disk, so that a day of any length can be sorted by call and by
agent without holding it in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import apsw
import msgspec

from floorcast.verify.names import Site, categories

__all__ = ["Heard", "Json", "Known", "Records", "Report", "Terms", "Told", "name_of"]

_SCHEMA = """
CREATE TABLE calls (number INT, session TEXT, place INTEGER PRIMARY KEY, record TEXT);
CREATE INDEX by_call ON calls (number, session, place);
CREATE TABLE agents (agent INT, place INTEGER PRIMARY KEY, record TEXT);
CREATE TABLE known (agent INT, place INT, record TEXT);
CREATE TABLE campaigns (place INT, record TEXT);
"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

Json = dict[str, Any]


class Told(NamedTuple):
    """Something about a call: where in the log, when by its own time (ms), what, and of whom.

    ``kind`` is start, queue, answer, end, disposition, or state for an agent's event that names
    the call; ``terms`` numbers the site entry in force.
    """

    position: int
    at: int
    kind: str
    service: int | None
    agent: int | None
    campaign: int | None
    terms: int
    data: Json


class Heard(NamedTuple):
    """An agent's event: where in the log, when by its own time (ms), and what it says."""

    position: int
    at: int
    service: int | None
    data: Json


class Terms:
    """What a site entry says of how calls are judged."""

    def __init__(self, plan: Json) -> None:
        self._services = {one["id"]: one for one in plan.get("services", ())}
        self._categories = categories(plan)

    def thresholds(self, service: int) -> tuple[int, int]:
        """The SLA and the short-abandon threshold of a service, in ms."""
        known = self._services.get(service, {})
        sla = known.get("sla_seconds", 20)
        return sla * 1000, known.get("short_abandon_seconds", sla) * 1000

    def category(self, code: str | None) -> str:
        """What a term code counts as."""
        return self._categories.get(code or "", "nonContacts")


class Known(NamedTuple):
    """What a call says of an agent: whether the call is his, and of which service."""

    position: int
    at: int
    service: int | None
    is_his: bool


class Report(NamedTuple):
    """Something about a campaign: an update, or (no ``data``) something in one of its calls."""

    position: int
    campaign: int
    at: int
    service: int | None
    data: Json | None


class Records:
    """Takes the entries of one client's log, one after the other, then gives them sorted."""

    def __init__(self) -> None:
        self.site = Site()
        self.terms = [Terms({})]
        self.recorded_at = 0
        self._place = 0
        self._at_services: dict[int, tuple[int, int | None]] = {}
        self._at = 0
        self._base = apsw.Connection("")
        self._base.pragma("journal_mode", "OFF")
        self._base.pragma("synchronous", "OFF")
        self._base.execute("BEGIN")
        self._base.execute(_SCHEMA).fetchall()

    def close(self) -> None:
        """Let the file go."""
        self._base.close()

    def take(self, recorded_at: int, kind: str, payload: bytes) -> None:
        """Take an entry; ``recorded_at`` in ticks of 100 ns."""
        self.recorded_at = recorded_at // 10_000
        if kind == "site":
            plan = json.loads(payload)
            self.site.declare(plan)
            self.terms.append(Terms(plan))
            return
        for line in payload.split(b"\n"):
            if line:
                self._take(json.loads(line))

    def calls(self) -> Iterator[list[Told]]:
        """Each call, all that was told of it in the order of the log."""
        rows = self._base.execute("SELECT record FROM calls ORDER BY number, session, place")
        told = (Told(*json.loads(str(record))) for (record,) in rows)
        for _, story in groupby(told, key=name_of):
            yield list(story)

    def story(self, name: tuple[int, str], before: int) -> list[Told]:
        """What was told of one call before a place in the log."""
        rows = self._base.execute(
            "SELECT record FROM calls WHERE number = ? AND session = ? AND place < ?"
            " ORDER BY place",
            (*name, before),
        )
        return [Told(*json.loads(str(record))) for (record,) in rows]

    def agents(self) -> Iterator[tuple[int, list[Heard]]]:
        """Each agent, all that was heard of it in the order of the log."""
        rows = self._base.execute("SELECT agent, record FROM agents ORDER BY agent, place")
        for agent, found in groupby(rows, key=itemgetter(0)):
            yield int(str(agent)), [Heard(*json.loads(str(record))) for _, record in found]

    def note_known(self, agent: int, known: Known) -> None:
        """Keep what a call says of an agent."""
        self._base.execute(
            "INSERT INTO known VALUES (?, ?, ?)", (agent, known.position, json.dumps(known))
        )

    def known_of(self, agent: int) -> list[Known]:
        """What the calls say of an agent, in the order of the log."""
        self._base.execute("CREATE INDEX IF NOT EXISTS by_agent ON known (agent, place)")
        rows = self._base.execute(
            "SELECT record FROM known WHERE agent = ? ORDER BY place", (agent,)
        )
        return [Known(*json.loads(str(record))) for (record,) in rows]

    def note_report(self, report: Report) -> None:
        """Keep what is known of a campaign."""
        row = (report.position, json.dumps(report))
        self._base.execute("INSERT INTO campaigns VALUES (?, ?)", row)

    def reports(self) -> Iterator[Report]:
        """What is known of campaigns, in the order of the log."""
        for (record,) in self._base.execute("SELECT record FROM campaigns ORDER BY place"):
            yield Report(*json.loads(str(record)))

    def _take(self, event: Json) -> None:
        self._place += 1
        moment = event.get("time")
        self._at = self.recorded_at if moment is None else _ms(moment)
        data = event["data"]
        kind = event["type"]
        if kind == "agent.state":
            self._agent_state(data)
        elif kind == "campaign.update":
            self._campaign_update(data)
        elif kind in ("email.attempt", "sms.attempt"):
            self.site.service(data["service"])
            self._campaign(data)
        else:
            self._call(kind.removeprefix("call."), data)

    def _agent_state(self, data: Json) -> None:
        site = self.site
        agent = site.agent(data["agent"])
        service = self._service(data)
        if data.get("team") is not None:
            site.names.find("team", data["team"])
        call = data.get("call") or {}
        named = self._service(call)
        if data.get("agent2") is not None:
            site.agent(data["agent2"])
        last, present = self._at_services.get(agent, (self._at, None))
        own = service
        if self._at >= last:
            own = present if service is None else service
            self._at_services[agent] = (self._at, own)
        heard = Heard(self._place, self._at, service, data)
        self._base.execute(
            "INSERT INTO agents VALUES (?, ?, ?)", (agent, self._place, json.dumps(heard))
        )
        if call.get("transactionId") is not None and call.get("sessionId") is not None:
            about = {"event": data["eventType"], "own": own, "named": named, **call}
            self._tell("state", call, None, agent, None, about)

    def _campaign_update(self, data: Json) -> None:
        number = self.site.campaign(data["campaign"])
        if data.get("name") is not None:
            self.site.call_campaign(number, data["name"])
        self.note_report(Report(self._place, number, self._at, self._service(data), data))

    def _call(self, kind: str, data: Json) -> None:
        campaign = self._campaign(data) if kind == "end" else None
        service = self._service(data) if kind in ("start", "queue", "end") else None
        if kind == "start":
            campaign = self._campaign(data)
        agent = data.get("agent")
        if agent is None and kind == "end":
            agent = data.get("agentId")
        by = None if agent is None or kind in ("start", "queue") else self.site.agent(agent)
        self._tell(kind, data, service, by, campaign, data)

    def _service(self, data: Json) -> int | None:
        return None if data.get("service") is None else self.site.service(data["service"])

    def _campaign(self, data: Json) -> int | None:
        return None if data.get("campaign") is None else self.site.campaign(data["campaign"])

    def _tell(
        self,
        kind: str,
        call: Json,
        service: int | None,
        agent: int | None,
        campaign: int | None,
        data: Json,
    ) -> None:
        terms = len(self.terms) - 1
        told = Told(self._place, self._at, kind, service, agent, campaign, terms, data)
        name = (int(call["transactionId"]), call["sessionId"])
        self._base.execute(
            "INSERT INTO calls VALUES (?, ?, ?, ?)", (*name, self._place, json.dumps(told))
        )


def name_of(told: Told) -> tuple[int, str]:
    """A call's name."""
    return int(told.data["transactionId"]), told.data["sessionId"]


def _ms(moment: str) -> int:
    return (msgspec.convert(moment, datetime) - _EPOCH) // _MILLISECOND
