"""An event socket whose lists follow the events that FreeSWITCH sent, received or not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from tests.connectors.breaking_writer import BreakingWriter
from tests.connectors.freeswitch.fake_esl import AGENT, MEMBER, Event, FakeEsl, Row, encoded

__all__ = ["FollowingEsl"]


class FollowingEsl(FakeEsl):
    """Sends a dialogue's events, and answers with the state after the last one.

    ``clock`` returns FreeSWITCH's time. ``output`` can break the connection.
    """

    def __init__(self, clock: Callable[[], float], agents: Iterable[Row]) -> None:
        super().__init__()
        self.clock = clock
        self._agents = {one["name"]: {**AGENT, **one} for one in agents}
        self._members: dict[str, Row] = {}
        self.agents = list(self._agents.values())
        self.output = BreakingWriter(self._writers)

    async def play(self, event: Event, times: int = 1) -> None:
        """Change the state, and send the event to the connection, if there is one."""
        self._follow(event)
        self.members = list(self._members.values())
        for writer in list(self._writers):
            self._send_answer(writer, encoded({"Core-UUID": self.core, **event}) * times)

    def _send_answer(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        self.output.write(writer, data)

    def _follow(self, event: Event) -> None:
        at = event["Event-Date-Timestamp"][:-6]
        session = event.get("CC-Member-Session-UUID", event.get("Unique-ID", ""))
        member = self._members.get(session, {})
        agent = self._agents.get(event.get("CC-Agent", ""), {})
        match event.get("CC-Action", event["Event-Name"]):
            case "member-queue-start":
                self.sessions.add(session)
                self._members[session] = {
                    **MEMBER,
                    "queue": event["CC-Queue"],
                    "session_uuid": session,
                    "joined_epoch": at,
                }
            case "agent-offering":
                member |= {"state": "Trying", "serving_agent": agent["name"]}
            case "bridge-agent-start":
                member |= {"state": "Answered", "bridge_epoch": at}
                agent |= {"last_bridge_start": at, "uuid": event["CC-Agent-UUID"]}
            case "bridge-agent-fail":
                member |= {"state": "Waiting", "serving_agent": ""}
            case "bridge-agent-end":
                agent |= {"last_bridge_end": at}
            case "member-queue-end":
                self._members.pop(session, None)
            case "agent-state-change":
                agent |= {"state": event["CC-Agent-State"]}
            case "agent-status-change":
                agent |= {"status": event["CC-Agent-Status"], "last_status_change": at}
            case "CHANNEL_HANGUP_COMPLETE":
                self.sessions.discard(session)
                self._members.pop(session, None)
