"""Compares FreeSWITCH's current state with the connector's state. No I/O."""

from __future__ import annotations

from collections.abc import Container, Iterator

from msgspec import Struct

from floorcast.connectors.freeswitch.events import (
    IN_A_CALL,
    LOGGED_OUT,
    RECEIVING,
    agent_status,
    leg_of_offer,
)
from floorcast.connectors.freeswitch.lists import Row, number_in
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.numbers import duration
from floorcast.connectors.pbx.pbx_events import (
    AgentConnected,
    ChannelHungUp,
    ConversationEnded,
    HoldChanged,
    MemberList,
    MemberState,
    PbxEvent,
    QueueJoined,
    QueueLeft,
    Ringing,
)
from floorcast.connectors.pbx.state import PbxAgent, PbxCall, PbxState, Phase

__all__ = ["IN_QUEUE_STATES", "ROW_TIMES", "FreeswitchSnapshot", "member_list_of", "missed_events"]

FREE, UNREACHABLE, UNKNOWN = 1, 5, 0  # states of a device
LEVEL_POSITIONS = 1_000  # per tier level; agents are in order of level, then of position
ROW_TIMES = (
    *("joined_epoch", "rejoined_epoch", "bridge_epoch"),
    *("last_bridge_start", "last_bridge_end", "last_status_change"),
)
IN_QUEUE_STATES = {"Waiting", "Trying", "Answered"}  # states of a member who has not left
RING_ALL = "ring-all"  # the serving agent of a member who is offered to all agents of the queue
OFFERING = "Offering"  # the state of a tier whose agent is offered a member


class FreeswitchSnapshot(Struct, kw_only=True):
    """mod_callcenter's lists, and the sessions that exist.

    ``at`` is the time just before the queries, by FreeSWITCH's clock. ``last_at`` is the time of
    the last event before the queries. ``existing`` has the sessions that exist, and ``ended`` the
    others. Each session was queried (``uuid_exists``), because the member rows may be stale for
    hours. ``channels`` has the callstate of each channel.
    """

    at: float
    last_at: float
    agents: list[Row] = []
    tiers: list[Row] = []
    queues: list[Row] = []
    members: list[Row] = []
    existing: set[str] = set()
    ended: set[str] = set()
    channels: dict[str, str] = {}


def missed_events(
    snapshot: FreeswitchSnapshot,
    state: PbxState,
    config: MappingConfig,
    ended_since: Container[str],
) -> list[PbxEvent]:
    """Return the missed PBX events, as far as they can be reconstructed.

    Changes made after the snapshot are kept. ``ended_since`` has the sessions that have ended since
    the snapshot.
    """
    comparison = _Comparison(snapshot, state, config, ended_since)
    return [
        *comparison.hangups(),
        *comparison.joins(),
        *comparison.connects(),
        *comparison.completions(),
        *comparison.leaves(),
        *comparison.holds(),
        comparison.member_list(),
        *comparison.rings(),
    ]


def member_list_of(
    snapshot: FreeswitchSnapshot, state: PbxState, config: MappingConfig
) -> MemberList:
    """Return all agents in all of their queues, according to the lists."""
    return _Comparison(snapshot, state, config, ()).member_list()


class _Comparison:
    def __init__(
        self,
        snapshot: FreeswitchSnapshot,
        state: PbxState,
        config: MappingConfig,
        ended_since: Container[str],
    ) -> None:
        self._snapshot = snapshot
        self._state = state
        self._config = config
        self._agents = {row.get("name", ""): row for row in snapshot.agents}
        self._members = {
            row["session_uuid"]: row
            for row in snapshot.members
            if row.get("state") in IN_QUEUE_STATES
            and row.get("queue")
            and row.get("session_uuid") in snapshot.existing
            and row["session_uuid"] not in ended_since
        }
        self._offers = self._offered_members()

    def hangups(self) -> Iterator[PbxEvent]:
        """Yield a hangup, at the best known time, for each call whose session no longer exists."""
        for call in list(self._state.calls.values()):
            if call.caller in self._snapshot.ended and self._is_settled(call):
                at = max(self._snapshot.last_at, call.since)
                if call.phase is Phase.TALKING:
                    at = self._conversation_end(call) or at
                yield ChannelHungUp(at=at, channel=call.caller)

    def joins(self) -> Iterator[PbxEvent]:
        """Yield a QueueJoined for each wait in a queue that is not known yet."""
        for session, row in self._members.items():
            call = self._state.calls.get(session)
            if call is not None and (not self._is_settled(call) or self._is_known(call, row)):
                continue
            at = max(self._time(row, "joined_epoch"), self._time(row, "rejoined_epoch"))
            yield QueueJoined(
                at=at or self._snapshot.at,
                caller=session,
                queue=row["queue"],
                number=row.get("cid_number", ""),
            )

    def connects(self) -> Iterator[PbxEvent]:
        """Yield an AgentConnected for each conversation that is not known yet."""
        for session, row in self._members.items():
            agent, call = row.get("serving_agent", ""), self._state.calls.get(session)
            is_known = call is not None and call.phase in {Phase.TALKING, Phase.HANGING_UP}
            is_changing = call is not None and not self._is_settled(call)
            if is_known or is_changing or not self._is_talking(row):
                continue
            began = self._time(row, "bridge_epoch") or self._time(
                self._agents[agent], "last_bridge_start"
            )
            yield AgentConnected(
                at=max(began or self._snapshot.at, call.since if call else 0.0),
                caller=session,
                queue=row["queue"],
                agent=agent,
                leg=self._agents[agent].get("uuid", ""),
            )

    def completions(self) -> Iterator[PbxEvent]:
        """Yield a ConversationEnded for each caller still connected, but not to the same agent."""
        for call in self._settled(Phase.TALKING):
            row = self._members.get(call.caller)
            if row is None and call.caller in self._snapshot.existing:
                at = self._conversation_end(call) or max(self._snapshot.last_at, call.since)
                yield ConversationEnded(
                    at=at, caller=call.caller, queue=call.queue, agent=call.agent, by=""
                )

    def leaves(self) -> Iterator[PbxEvent]:
        """Yield a QueueLeft for each caller who is still connected but has left the queue."""
        for call in self._settled(Phase.WAITING):
            if call.caller in self._snapshot.existing and call.caller not in self._members:
                at = max(self._snapshot.last_at, call.since)
                yield QueueLeft(at=at, caller=call.caller, queue=call.queue)

    def holds(self) -> Iterator[PbxEvent]:
        """Yield the start or the end of each hold that was missed."""
        for agent in self._state.agents.values():
            callstate = self._snapshot.channels.get(agent.leg)
            is_held = callstate == "HELD"
            if agent.call and callstate and is_held != agent.held and not self._has_changed(agent):
                yield HoldChanged(at=self._snapshot.at, channel=agent.leg, on=is_held)

    def rings(self) -> Iterator[PbxEvent]:
        """Yield a Ringing for each agent whose telephone rings for a caller who is waiting."""
        changed = {one.name for one in self._state.agents.values() if self._has_changed(one)}
        for name, row in self._offers.items():
            caller, agent = row["session_uuid"], self._config.agents.get(name, name)
            call = self._state.calls.get(caller)
            if agent not in changed and (call is None or self._is_settled(call)):
                yield Ringing(
                    at=self._snapshot.at,  # after the state in the list of members
                    caller=caller,
                    queue=row["queue"],
                    agent=name,
                    leg=leg_of_offer(name, caller),
                )

    def member_list(self) -> MemberList:
        """Return all agents in all of their queues, except agents changed since the snapshot."""
        changed = (one.name for one in self._state.agents.values() if self._has_changed(one))
        return MemberList(
            at=self._snapshot.at,
            members=tuple(self._member_states()),
            excluded=frozenset(changed),
        )

    def _member_states(self) -> Iterator[MemberState]:
        at = self._snapshot.at
        serving = {row.get("serving_agent", "") for row in self._members.values()}
        serving |= self._offers.keys()
        for tier in self._snapshot.tiers:
            name, queue = tier.get("agent", ""), tier.get("queue", "")
            row = self._agents.get(name)
            if row is None or not queue:
                continue
            status = agent_status(name, row.get("status", LOGGED_OUT), at, self._config)
            changed = self._time(row, "last_status_change")
            free = FREE if name not in serving else UNKNOWN
            yield MemberState(
                at=at,
                queue=queue,
                agent=name,
                dynamic=False,
                status=free if status.present else UNREACHABLE,
                paused=status.paused,
                reason=status.reason,
                penalty=int(number_in(tier, "level")) * LEVEL_POSITIONS
                + int(number_in(tier, "position")),
                since=max(changed, self._time(row, "last_bridge_end")) or None,
                logged_in=changed or None,
                wrap_up=duration(row.get("wrap_up_time", "")),
            )

    def _offered_members(self) -> dict[str, Row]:
        """Return the member who is offered to each agent. The agent's telephone rings.

        A member's row may be stale, so the agent's row must also report an offer. If several
        members are offered to all agents of a queue, they are offered the first.
        """
        trying = [row for row in self._members.values() if row.get("state") == "Trying"]
        trying.sort(key=lambda row: self._time(row, "joined_epoch"), reverse=True)
        of_all = {row["queue"]: row for row in trying if row.get("serving_agent") == RING_ALL}
        offers = {
            tier.get("agent", ""): of_all[tier["queue"]]
            for tier in self._snapshot.tiers
            if tier.get("state") == OFFERING and tier.get("queue") in of_all
        }
        offers |= {row["serving_agent"]: row for row in trying if row.get("serving_agent")}
        return {
            name: row
            for name, row in offers.items()
            if self._agents.get(name, {}).get("state") == RECEIVING
        }

    def _has_changed(self, agent: PbxAgent) -> bool:
        return agent.shown_at >= self._snapshot.at

    def _is_known(self, call: PbxCall, row: Row) -> bool:
        if call.phase in {Phase.TALKING, Phase.HANGING_UP}:
            return call.queue == row["queue"] and self._is_talking(row)
        return call.phase is Phase.WAITING and call.queue == row["queue"]

    def _is_talking(self, row: Row) -> bool:
        """Return whether the member's row and the agent's row both report a conversation.

        Either row alone may be stale.
        """
        agent = self._agents.get(row.get("serving_agent", ""), {})
        return row.get("state") == "Answered" and agent.get("state") == IN_A_CALL

    def _conversation_end(self, call: PbxCall) -> float:
        """Return when the agent's last call ended, or 0 if that was before this call."""
        names = self._config.agents
        ends = (
            self._time(row, "last_bridge_end")
            for name, row in self._agents.items()
            if names.get(name, name) == call.agent
        )
        ended = max(ends, default=0.0)
        return ended if ended >= call.since else 0.0

    def _time(self, row: Row, name: str) -> float:
        """Return a column's time, or 0 if it is unknown. Nothing began after the snapshot."""
        return min(number_in(row, name), self._snapshot.at)

    def _settled(self, phase: Phase) -> list[PbxCall]:
        return [
            call
            for call in self._state.calls.values()
            if call.phase is phase and self._is_settled(call)
        ]

    def _is_settled(self, call: PbxCall) -> bool:
        return call.since < self._snapshot.at
