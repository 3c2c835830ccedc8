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
from floorcast.simulator.simulated_call import Disposed, SimulatedCall
from floorcast.simulator.true_figures import CampaignTruth
from floorcast.simulator.truth import Truth

__all__ = ["Teller"]

ACD, DIALER = "acd", "dialer"

Data = dict[str, object]


class Teller:
    """Records events. Their times are ``start`` plus the time on the simulation's clock."""

    def __init__(self, env: simpy.Environment, start: datetime, run: str, truth: Truth) -> None:
        self.truth = truth
        self._env = env
        self._start = start
        self._run = run
        self._number = 0
        self._told: list[CloudEvent] = []

    def drain(self) -> list[CloudEvent]:
        """Return the events recorded since the previous ``drain``."""
        told, self._told = self._told, []
        return told

    @property
    def now(self) -> int:
        """The time on the simulation's clock, in ms."""
        return int(self._env.now)

    # -- calls -----------------------------------------------------------------------------

    def call_start(self, call: SimulatedCall, agent: AgentPlan | None = None) -> None:
        """Record the start of a call. ``agent`` is the agent who dials it, if any."""
        self.truth.begins(call)
        person = call.person
        known: Data = {
            "service": call.service,
            "direction": call.direction,
            "areaCodeState": person.state,
            "zipCode": person.zip_code,
            "priority": call.priority,
        }
        if call.is_identified:
            known |= _identity(person)
        if call.direction == "INBOUND":
            known["callerId"] = person.phone
        else:
            known |= {
                "phoneDialed": person.phone,
                "campaign": call.campaign,
                "campaignType": call.direction,
            }
        self._call(_desk(agent) if agent else ACD, "call.start", call, known)

    def call_update(self, call: SimulatedCall) -> None:
        """Record that the caller was identified."""
        self._call(ACD, "call.update", call, _identity(call.person))

    def call_leave(self, call: SimulatedCall, reason: str, key: str | None = None) -> None:
        """Record that the call leaves its queue without an answer but does not end."""
        self.truth.moves(call, reason)
        pressed: Data = {} if key is None else {"key": key}
        self._call(ACD, "call.leave", call, {"reason": reason, **pressed})

    def call_queue(self, call: SimulatedCall, by: AgentPlan | None = None) -> None:
        """Record that the call joins a queue. ``by`` is the agent who transferred it."""
        self.truth.joins(call, self.now)
        known: Data = {"service": call.service}
        self._call(_desk(by) if by else ACD, "call.queue", call, known)

    def call_answer(self, call: SimulatedCall, agent: AgentPlan) -> None:
        """Record that the agent answers the call, with an event for each of them."""
        self.truth.is_answered(call, agent.login, self.now)
        self.agent_state(agent, "IN_CALL", call=call)
        self._call(_desk(agent), "call.answer", call, {"agent": _named(agent)})

    def call_end(self, call: SimulatedCall, result: str, agent: AgentPlan | None = None) -> None:
        """Record the end of the call. ``agent`` is the agent who was in the call, if any."""
        self.truth.ends(call, self.now)
        known: Data = {"lvResult": result}
        if call.ivr:
            known["roundedIvrDuration"] = round(call.ivr / 1000)
        self._call(_desk(agent) if agent else ACD, "call.end", call, known)

    def call_disposition(
        self, call: SimulatedCall, agent: AgentPlan, service: str, code: str
    ) -> None:
        """Record the agent's term code for the call, at the service where the agent answered it."""
        self.truth.is_disposed(call, Disposed(agent.login, service, code), self.now)
        known: Data = {"agent": _named(agent), "termCode": code, "agentActionType": "DISPOSITION"}
        self._call(_desk(agent), "call.disposition", call, known)

    # -- agents ----------------------------------------------------------------------------

    def agent_missed(self, call: SimulatedCall, agent: AgentPlan, reason: str, rang: int) -> None:
        """Record that an agent did not answer the call. ``rang`` is the ringing time in ms."""
        self.truth.is_missed(call, agent.login)
        known: Data = {
            "agent": _named(agent),
            "service": call.service,
            "reason": reason,
            "ringSeconds": rang / 1000,
        }
        self._call(_desk(agent), "agent.missed", call, known)

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
        self.truth.enters(agent.login, event_type, self.now, reason, at)
        known: Data = {
            "agent": _named(agent),
            "eventType": event_type,
            "service": agent.service,
        }
        if event_type == "LOGON":
            known["skill"] = ", ".join((agent.service, *agent.skills))
            if agent.skills:
                known["services"] = [agent.service, *agent.skills]
            if agent.team is not None:
                known["team"] = agent.team
        if reason is not None:
            known["reason"] = reason
        if person is not None:
            known["call"] = {"phoneNumber": person.phone, "account": person.account}
        if call is not None:
            known["call"] = {
                "transactionId": call.transaction,
                "sessionId": call.session,
                "service": call.service,
                "phoneNumber": call.person.phone,
                "account": call.person.account,
                "direction": call.direction,
            }
        self._tell(_desk(agent), "agent.state", known)

    # -- lists and messages ----------------------------------------------------------------

    def campaign_update(self, campaign: CampaignPlan, as_it_is: CampaignTruth) -> None:
        """Record a campaign's counts and state."""
        self.truth.campaigns[campaign.name] = as_it_is
        known: Data = {
            "campaign": campaign.name,
            "service": campaign.service,
            "state": as_it_is.state,
            "uploaded": as_it_is.loaded,
            "loaded": as_it_is.loaded,
            "completed": as_it_is.completed,
            "remaining": as_it_is.remaining,
            "dialable": as_it_is.dialable,
            "timezones": as_it_is.zones,
        }
        self._tell(DIALER, "campaign.update", known)

    def message(self, kind: str, campaign: CampaignPlan, event_type: str, known: Data) -> None:
        """Record that an ``sms`` or ``email`` was attempted, delivered or not delivered."""
        self.truth.messages[f"{kind} {event_type}"] += 1
        about: Data = {
            "service": campaign.service,
            "campaign": campaign.name,
            "campaignType": "OUTBOUND",
            "eventType": event_type,
        }
        self._tell(DIALER, f"{kind}.attempt", about | known)

    def _call(self, part: str, kind: str, call: SimulatedCall, known: Data) -> None:
        named: Data = {"transactionId": call.transaction, "sessionId": call.session}
        self._tell(part, kind, named | known)

    def _tell(self, part: str, kind: str, data: Data) -> None:
        self._number += 1
        event = CloudEvent(
            id=str(self._number),
            source=f"{self._run}/{part}",
            type=kind,
            time=self._start + timedelta(milliseconds=self.now),
            data=data,
        )
        self._told.append(event)


def _identity(person: Person) -> Data:
    return {
        "account": person.account,
        "consumer": {"firstName": person.first_name, "lastName": person.last_name},
    }


def _desk(agent: AgentPlan) -> str:
    return f"desk-{agent.desk}"


def _named(agent: AgentPlan) -> str:
    return agent.name or agent.login
