"""Records everything that happens on the simulated floor, as events and in the true figures.

An event's id is its number. Its source consists of the run's name and the part of the floor that
sends it: ``acd`` for calls without an agent, ``dialer`` for lists and messages, or ``desk-N`` for
an agent and the agent's current call.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import simpy

from floorcast.client.cloud_event import CloudEvent
from floorcast.simulator.people import Person
from floorcast.simulator.scenario import AgentPlan, CampaignPlan
from floorcast.simulator.simulated_call import Disposition, SimulatedCall
from floorcast.simulator.true_figures import CampaignTruth
from floorcast.simulator.truth import Truth

__all__ = ["EventRecorder"]

ACD, DIALER = "acd", "dialer"

Data = dict[str, object]


class EventRecorder:
    """Records events. Their times are ``start`` plus the time on the simulation's clock."""

    def __init__(self, env: simpy.Environment, start: datetime, run: str, truth: Truth) -> None:
        self.truth = truth
        self._env = env
        self._start = start
        self._run = run
        self._number = 0
        self._events: list[CloudEvent] = []

    def drain(self) -> list[CloudEvent]:
        """Return the events recorded since the previous ``drain``."""
        events, self._events = self._events, []
        return events

    @property
    def now(self) -> int:
        """The time on the simulation's clock, in ms."""
        return int(self._env.now)

    # -- calls -----------------------------------------------------------------------------

    def call_start(self, call: SimulatedCall, agent: AgentPlan | None = None) -> None:
        """Record the start of a call. ``agent`` is the agent who dials it, if any."""
        self.truth.record_start(call)
        person = call.person
        data: Data = {
            "service": call.service,
            "direction": call.direction,
            "areaCodeState": person.state,
            "zipCode": person.zip_code,
            "priority": call.priority,
        }
        if call.is_identified:
            data |= _identity(person)
        if call.direction == "INBOUND":
            data["callerId"] = person.phone
        else:
            data |= {
                "phoneDialed": person.phone,
                "campaign": call.campaign,
                "campaignType": call.direction,
            }
        self._record_call(_desk_source(agent) if agent else ACD, "call.start", call, data)

    def call_update(self, call: SimulatedCall) -> None:
        """Record that the caller was identified."""
        self._record_call(ACD, "call.update", call, _identity(call.person))

    def call_leave(self, call: SimulatedCall, reason: str, key: str | None = None) -> None:
        """Record that the call leaves its queue without an answer but does not end."""
        self.truth.record_exit(call, reason)
        pressed: Data = {} if key is None else {"key": key}
        self._record_call(ACD, "call.leave", call, {"reason": reason, **pressed})

    def call_queue(self, call: SimulatedCall, transferred_by: AgentPlan | None = None) -> None:
        """Record that the call joins a queue. ``transferred_by`` is an agent, if any."""
        self.truth.record_join(call, self.now)
        data: Data = {"service": call.service}
        self._record_call(
            _desk_source(transferred_by) if transferred_by else ACD, "call.queue", call, data
        )

    def call_answer(self, call: SimulatedCall, agent: AgentPlan) -> None:
        """Record that the agent answers the call, with an event for each of them."""
        self.truth.record_answer(call, agent.login, self.now)
        self.agent_state(agent, "IN_CALL", call=call)
        self._record_call(_desk_source(agent), "call.answer", call, {"agent": _agent_name(agent)})

    def call_end(self, call: SimulatedCall, result: str, agent: AgentPlan | None = None) -> None:
        """Record the end of the call. ``agent`` is the agent who was in the call, if any."""
        self.truth.record_end(call, self.now)
        data: Data = {"lvResult": result}
        if call.ivr:
            data["roundedIvrDuration"] = round(call.ivr / 1000)
        self._record_call(_desk_source(agent) if agent else ACD, "call.end", call, data)

    def call_disposition(
        self, call: SimulatedCall, agent: AgentPlan, service: str, code: str
    ) -> None:
        """Record the agent's term code for the call, at the service where the agent answered it."""
        self.truth.record_disposition(call, Disposition(agent.login, service, code), self.now)
        data: Data = {
            "agent": _agent_name(agent),
            "termCode": code,
            "agentActionType": "DISPOSITION",
        }
        self._record_call(_desk_source(agent), "call.disposition", call, data)

    # -- agents ----------------------------------------------------------------------------

    def agent_missed(self, call: SimulatedCall, agent: AgentPlan, reason: str, rang: int) -> None:
        """Record that an agent did not answer the call. ``rang`` is the ringing time in ms."""
        self.truth.record_missed(call, agent.login)
        data: Data = {
            "agent": _agent_name(agent),
            "service": call.service,
            "reason": reason,
            "ringSeconds": rang / 1000,
        }
        self._record_call(_desk_source(agent), "agent.missed", call, data)

    def agent_state(
        self,
        agent: AgentPlan,
        event_type: str,
        *,
        reason: str | None = None,
        call: SimulatedCall | None = None,
        person: Person | None = None,
    ) -> None:
        """Record that an agent enters a state. ``person`` is a customer the agent will call."""
        at = None if call is None else call.service
        self.truth.record_state(agent.login, event_type, self.now, reason, at)
        data: Data = {
            "agent": _agent_name(agent),
            "eventType": event_type,
            "service": agent.service,
        }
        if event_type == "LOGON":
            data["skill"] = ", ".join((agent.service, *agent.skills))
            if agent.skills:
                data["services"] = [agent.service, *agent.skills]
            if agent.team is not None:
                data["team"] = agent.team
        if reason is not None:
            data["reason"] = reason
        if person is not None:
            data["call"] = {"phoneNumber": person.phone, "account": person.account}
        if call is not None:
            data["call"] = {
                "transactionId": call.transaction,
                "sessionId": call.session,
                "service": call.service,
                "phoneNumber": call.person.phone,
                "account": call.person.account,
                "direction": call.direction,
            }
        self._record(_desk_source(agent), "agent.state", data)

    # -- lists and messages ----------------------------------------------------------------

    def campaign_update(self, campaign: CampaignPlan, counts: CampaignTruth) -> None:
        """Record a campaign's counts and state."""
        self.truth.campaigns[campaign.name] = counts
        data: Data = {
            "campaign": campaign.name,
            "service": campaign.service,
            "state": counts.state,
            "uploaded": counts.loaded,
            "loaded": counts.loaded,
            "completed": counts.completed,
            "remaining": counts.remaining,
            "dialable": counts.dialable,
            "timezones": counts.zones,
        }
        self._record(DIALER, "campaign.update", data)

    def message(self, kind: str, campaign: CampaignPlan, event_type: str, data: Data) -> None:
        """Record that an ``sms`` or ``email`` was attempted, delivered or not delivered."""
        self.truth.messages[f"{kind} {event_type}"] += 1
        fields: Data = {
            "service": campaign.service,
            "campaign": campaign.name,
            "campaignType": "OUTBOUND",
            "eventType": event_type,
        }
        self._record(DIALER, f"{kind}.attempt", fields | data)

    def _record_call(self, part: str, kind: str, call: SimulatedCall, data: Data) -> None:
        ids: Data = {"transactionId": call.transaction, "sessionId": call.session}
        self._record(part, kind, ids | data)

    def _record(self, part: str, kind: str, data: Data) -> None:
        self._number += 1
        event = CloudEvent(
            id=str(self._number),
            source=f"{self._run}/{part}",
            type=kind,
            time=self._start + timedelta(milliseconds=self.now),
            data=data,
        )
        self._events.append(event)


def _identity(person: Person) -> Data:
    return {
        "account": person.account,
        "consumer": {"firstName": person.first_name, "lastName": person.last_name},
    }


def _desk_source(agent: AgentPlan) -> str:
    return f"desk-{agent.desk}"


def _agent_name(agent: AgentPlan) -> str:
    return agent.name or agent.login
