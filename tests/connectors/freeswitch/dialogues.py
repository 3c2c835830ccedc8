"""The events of mod_callcenter for a call, in the order in which mod_callcenter sends them.

Each function returns the events of one occurrence. ``at`` is in epoch seconds.
"""

from __future__ import annotations

from collections.abc import Iterable

from tests.connectors.freeswitch.fake_esl import Event, Row

__all__ = ["ANNA", "BOB", "EPOCH"]

EPOCH = 1795813600.0  # the start of the dialogues, in epoch seconds
ANNA, BOB = "1001@pbx.example.com", "1002@pbx.example.com"
SALES, SUPPORT = "sales@pbx.example.com", "support@pbx.example.com"


def plain(name: str, at: float, **headers: str) -> Event:
    """Return an event of the FreeSWITCH core."""
    return {
        "Event-Name": name,
        "Event-Date-Timestamp": str(round(at * 1_000_000)),
        **{key.replace("_", "-"): value for key, value in headers.items()},
    }


def callcenter(action: str, at: float, **headers: str) -> Event:
    """Return an event of mod_callcenter."""
    return plain("CUSTOM", at, Event_Subclass="callcenter::info", CC_Action=action, **headers)


class Caller:
    """One session in the queues."""

    def __init__(self, session: str, queue: str = SALES, number: str = "15551234567") -> None:
        self.session = session
        self.queue = queue
        self.number = number

    def member(self, **more: str) -> Event:
        return {
            "CC_Queue": self.queue,
            "CC_Member_UUID": f"member-{self.session}",
            "CC_Member_Session_UUID": self.session,
            "CC_Member_CID_Name": "Jo | Doe",
            "CC_Member_CID_Number": self.number,
            **more,
        }

    def row(self, joined: float, state: str = "Waiting", agent: str = "") -> Row:
        """Return the session's row in ``queue list members``."""
        return {
            "queue": self.queue,
            "session_uuid": self.session,
            "cid_number": self.number,
            "joined_epoch": str(int(joined)),
            "state": state,
            "serving_agent": agent,
        }

    def joins(self, at: float, action: str = "member-queue-start") -> list[Event]:
        channel = {"Unique_ID": self.session, "Caller_Destination_Number": "8000"}
        return [
            callcenter(action, at, **self.member(**channel)),
            callcenter("members-count", at + 0.001, CC_Queue=self.queue, CC_Count="1"),
        ]

    def is_offered(self, at: float, agent: str = ANNA) -> list[Event]:
        return [
            state(agent, "Receiving", at),
            callcenter("agent-offering", at + 0.002, **self.member(CC_Agent=agent)),
        ]

    def is_being_bridged(self, at: float, agent: str = ANNA) -> list[Event]:
        """Return the events of an agent who has answered. The bridge may still fail."""
        return [callcenter("bridge-agent-start", at, **self.with_agent(agent))]

    def is_answered(self, at: float, agent: str = ANNA) -> list[Event]:
        return [*self.is_being_bridged(at, agent), state(agent, "In a queue call", at + 0.05)]

    def ends_talk(
        self, at: float, agent: str = ANNA, *, bridged: bool | None = True
    ) -> list[Event]:
        """Return the events of an agent who leaves the call.

        Older versions do not report whether there was a bridge.
        """
        bridged_header = {} if bridged is None else {"CC_Agent_Bridged": str(bridged).lower()}
        end = self.with_agent(agent) | bridged_header
        return [
            callcenter("bridge-agent-end", at, **end),
            callcenter("member-queue-end", at + 0.001, CC_Cause="Terminated", **end),
            state(agent, "Waiting", at + 0.002),
        ]

    def is_not_answered(
        self, at: float, cause: str, agent: str = ANNA, rang: int = 7
    ) -> list[Event]:
        times = {
            "CC_Agent_Called_Time": str(int(at) - rang),
            "CC_Agent_Aborted_Time": str(int(at)),
        }
        failed = self.member(CC_Agent=agent, CC_Hangup_Cause=cause, **times)
        return [
            callcenter("bridge-agent-fail", at, **failed),
            state(agent, "Waiting", at + 0.001),
        ]

    def leaves(self, at: float, reason: str = "BREAK_OUT", key: str = "") -> list[Event]:
        """Return the events of a caller who leaves the queue without an agent."""
        more = {"variable_cc_exit_key": key} if key else {}
        cancel = self.member(CC_Cause="Cancel", CC_Cancel_Reason=reason, Unique_ID=self.session)
        return [
            {**callcenter("member-queue-end", at, **cancel), **more},
            callcenter("members-count", at + 0.001, CC_Queue=self.queue, CC_Count="0"),
        ]

    def hangs_up(self, at: float, how: str = "") -> list[Event]:
        more = {"variable_sip_hangup_disposition": how} if how else {}
        return [{**hangup(self.session, at), **more}]

    def with_agent(self, agent: str) -> Event:
        return self.member(CC_Agent=agent, CC_Agent_UUID=f"leg-{self.session}")


def hangup(channel: str, at: float) -> Event:
    return plain("CHANNEL_HANGUP_COMPLETE", at, Unique_ID=channel, Hangup_Cause="NORMAL_CLEARING")


def state(agent: str, state: str, at: float) -> Event:
    return callcenter("agent-state-change", at, CC_Agent=agent, CC_Agent_State=state)


def status(agent: str, status: str, at: float) -> Event:
    return callcenter("agent-status-change", at, CC_Agent=agent, CC_Agent_Status=status)


def agent_row(name: str, status: str = "Available", **more: str) -> Row:
    return {"name": name, "status": status, **more}


def tier_row(name: str, queue: str = SALES, level: str = "1") -> Row:
    return {"agent": name, "queue": queue, "level": level}


def numbered(events: Iterable[Event], first: int = 1, step: int = 1) -> list[Event]:
    """Add an Event-Sequence to each event. A step above 1 leaves gaps, as unrelated events do."""
    return [
        {**event, "Event-Sequence": str(first + step * index)} for index, event in enumerate(events)
    ]
