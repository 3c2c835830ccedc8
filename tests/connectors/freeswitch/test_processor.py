"""Tests that read mod_callcenter dialogues from frames to events, without a network."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.client import CloudEvent
from floorcast.connectors.freeswitch.events import EslEventConverter
from floorcast.connectors.freeswitch.frames import EslFrame, EslFrameReader
from floorcast.connectors.freeswitch.processor import CoreUuid, FreeswitchItem, FreeswitchProcessor
from floorcast.connectors.freeswitch.snapshot import FreeswitchSnapshot
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.unreadable import Unreadable
from tests.connectors.freeswitch.dialogues import (
    ANNA,
    BOB,
    EPOCH,
    SALES,
    SUPPORT,
    Caller,
    agent_row,
    hangup,
    plain,
    state,
    status,
    tier_row,
)
from tests.connectors.freeswitch.fake_esl import Event, encoded
from tests.connectors.pbx.figures import Figures, Floor

CONFIG = MappingConfig(source="pbx")
LATER = EPOCH + 10_000
CALLER = Caller("aaaaaaaa-0000-4000-8000-000000000001")
FLOOR = FreeswitchSnapshot(
    at=EPOCH,
    last_at=0.0,
    agents=[agent_row(ANNA, wrap_up_time="0"), agent_row(BOB)],
    tiers=[
        tier_row(ANNA),
        tier_row(ANNA, SUPPORT, level="2"),
        tier_row(BOB, SUPPORT),
        tier_row(BOB, SALES, level="2"),
    ],
)


def items(
    events: list[Event], chunk: int = 0, config: MappingConfig = CONFIG
) -> list[FreeswitchItem]:
    """Return the items that the connector reads from events whose bytes arrive in chunks."""
    data = b"".join(encoded(event) for event in events)
    frames, reader = EslFrameReader(), EslEventConverter(config)
    step = chunk or len(data) or 1
    found: list[FreeswitchItem] = []
    for at in range(0, len(data), step):
        for frame in frames.feed(data[at : at + step]):
            assert isinstance(frame, EslFrame), frame
            pbx_event = reader.convert(reader.decode(frame.body), frame.body, 0.0)
            found += [] if pbx_event is None else [pbx_event]
    return found


class RestartableProcessor:
    """A processor, and the spool contents that survive it."""

    def __init__(self, config: MappingConfig = CONFIG) -> None:
        self.events: list[CloudEvent] = []
        self._config = config
        self._rows: dict[tuple[str, str], bytes] = {}
        self._position: dict[str, str] = {}
        self.processor = FreeswitchProcessor(config, [], {})

    def apply(self, *found: FreeswitchItem) -> None:
        for item in found:
            self.processor.apply(item)
            self._keep()

    def end(self) -> None:
        self.processor.advance(LATER)
        self._keep()

    def restart(self) -> None:
        rows = [(*key, row) for key, row in self._rows.items()]
        self.processor = FreeswitchProcessor(self._config, rows, self._position)

    def _keep(self) -> None:
        events, rows, position, _ = self.processor.take_step()
        self.events += events
        for key, row in rows.items():
            if row is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = msgspec.json.encode(row)
        self._position |= position


def events_of(
    events: list[Event], chunk: int = 0, config: MappingConfig = CONFIG
) -> list[CloudEvent]:
    """Return the events of a day that begins with Anna and Bob logged in."""
    restartable = RestartableProcessor(config)
    restartable.apply(CoreUuid("core-1"), FLOOR, *items(events, chunk, config))
    restartable.end()
    return restartable.events


def summarize(events: list[CloudEvent]) -> list[tuple[str, float, str]]:
    """Return each event's name, time in seconds since the beginning, and detail."""
    found = []
    for one in events:
        data = one.data
        word = data.get("reason") or data.get("lvResult") or data.get("service") or ""
        kind = data.get("eventType") or one.type
        found.append((str(kind), round(one.time.timestamp() - EPOCH, 3), str(word)))
    return found


STARTED = [
    ("LOGON", 0.0, SALES),
    ("READY", 0.0, SALES),
    ("LOGON", 0.0, SUPPORT),
    ("READY", 0.0, SUPPORT),
]
JOINED = [("call.start", 10.0, SALES), ("call.queue", 10.0, SALES)]
TAKEN = [("RESERVED", 12.002, SALES), ("IN_CALL", 15.0, SALES)]


def answered_call() -> list[Event]:
    at = EPOCH
    return [*CALLER.joins(at + 10), *CALLER.is_offered(at + 12), *CALLER.is_answered(at + 15)]


DIALOGUES: dict[str, tuple[list[Event], list[tuple[str, float, str]]]] = {
    "the caller hangs up": (
        [
            *answered_call(), *CALLER.hangs_up(EPOCH + 60, "recv_bye"),
            *CALLER.ends_talk(EPOCH + 60.1),
        ],
        [
            *JOINED, *TAKEN,
            ("WRAP_UP", 60.1, SALES), ("READY", 60.1, SALES),
            ("call.end", 60.0, "Completed by caller"),
        ],
    ),
    "the agent hangs up": (
        [
            *answered_call(), *CALLER.ends_talk(EPOCH + 60),
            *CALLER.hangs_up(EPOCH + 60.2, "send_bye"),
        ],
        [
            *JOINED, *TAKEN,
            ("WRAP_UP", 60.0, SALES), ("READY", 60.0, SALES),
            ("call.end", 60.2, "Completed by agent"),
        ],
    ),
    "the caller abandons": (
        [*CALLER.joins(EPOCH + 10), *CALLER.leaves(EPOCH + 30), *CALLER.hangs_up(EPOCH + 30.1)],
        [*JOINED, ("call.end", 30.0, "Abandoned")],
    ),
    "the caller abandons while an agent is being bridged": (
        [
            *CALLER.joins(EPOCH + 10), *CALLER.is_offered(EPOCH + 12),
            *CALLER.is_being_bridged(EPOCH + 15), *CALLER.leaves(EPOCH + 15.1, "NONE"),
            *CALLER.ends_talk(EPOCH + 15.2, bridged=False), *CALLER.hangs_up(EPOCH + 15.3),
        ],
        [
            *JOINED, TAKEN[0],
            ("agent.missed", 15.2, "CANCELLED"), ("READY", 15.2, SALES),
            ("call.end", 15.1, "Abandoned"),
        ],
    ),
    "an agent does not answer, and goes on a break": (
        [
            *CALLER.joins(EPOCH + 10), *CALLER.is_offered(EPOCH + 12),
            status(ANNA, "On Break", EPOCH + 19.9),
            *CALLER.is_not_answered(EPOCH + 20, "NO_ANSWER"),
            *CALLER.leaves(EPOCH + 30), *CALLER.hangs_up(EPOCH + 30.1),
        ],
        [
            *JOINED, TAKEN[0],
            ("NOT_READY", 19.9, "OTHER"), ("agent.missed", 20.0, "NO_ANSWER"),
            ("call.end", 30.0, "Abandoned"),
        ],
    ),
    "two agents reject the call": (
        [
            *CALLER.joins(EPOCH + 10), *CALLER.is_offered(EPOCH + 12),
            *CALLER.is_not_answered(EPOCH + 13, "USER_BUSY"), *CALLER.is_offered(EPOCH + 14, BOB),
            *CALLER.is_not_answered(EPOCH + 15, "CALL_REJECTED", BOB),
            *CALLER.leaves(EPOCH + 30), *CALLER.hangs_up(EPOCH + 30.1),
        ],
        [
            *JOINED, TAKEN[0], ("agent.missed", 13.0, "BUSY"), ("READY", 13.0, SALES),
            ("RESERVED", 14.002, SALES), ("agent.missed", 15.0, "REFUSED"),
            ("READY", 15.0, SUPPORT),
            ("call.end", 30.0, "Abandoned"),
        ],
    ),
    "the wait times out and the caller goes to voicemail": (
        [
            *CALLER.joins(EPOCH + 10), *CALLER.leaves(EPOCH + 40, "TIMEOUT"),
            *CALLER.hangs_up(EPOCH + 70),
        ],
        [*JOINED, ("call.leave", 40.0, "TIMEOUT"), ("call.end", 70.0, "")],
    ),
    "nobody is logged in": (
        [
            *CALLER.joins(EPOCH + 10), *CALLER.leaves(EPOCH + 40, "NO_AGENT_TIMEOUT"),
            *CALLER.hangs_up(EPOCH + 70),
        ],
        [*JOINED, ("call.leave", 40.0, "EMPTY"), ("call.end", 70.0, "")],
    ),
    "the caller exits by key": (
        [
            *CALLER.joins(EPOCH + 10), *CALLER.leaves(EPOCH + 40, "EXIT_WITH_KEY", "9"),
            *CALLER.hangs_up(EPOCH + 70),
        ],
        [*JOINED, ("call.leave", 40.0, "KEY"), ("call.end", 70.0, "")],
    ),
    "the agent transfers the caller": (
        [*answered_call(), *CALLER.ends_talk(EPOCH + 60), *CALLER.hangs_up(EPOCH + 90, "recv_bye")],
        [
            *JOINED, *TAKEN,
            ("WRAP_UP", 60.0, SALES), ("READY", 60.0, SALES),
            ("call.leave", 60.0, "TRANSFER"), ("call.end", 90.0, ""),
        ],
    ),
    "an older FreeSWITCH": (
        [
            *answered_call(), *CALLER.ends_talk(EPOCH + 60, bridged=None),
            *CALLER.hangs_up(EPOCH + 60.1),
        ],
        [
            *JOINED, *TAKEN,
            ("WRAP_UP", 60.0, SALES), ("READY", 60.0, SALES), ("call.end", 60.1, ""),
        ],
    ),
    "an offer comes before the caller has joined": (
        [
            *CALLER.is_offered(EPOCH + 9.9), *CALLER.joins(EPOCH + 10),
            *CALLER.leaves(EPOCH + 30), *CALLER.is_not_answered(EPOCH + 30, "ORIGINATOR_CANCEL"),
            *CALLER.hangs_up(EPOCH + 30.1),
        ],
        [
            *JOINED, ("RESERVED", 9.902, SALES),
            ("agent.missed", 30.0, "CANCELLED"), ("READY", 30.0, SALES),
            ("call.end", 30.0, "Abandoned"),
        ],
    ),
    "the end of a member is reported twice": (
        [
            *answered_call(), *CALLER.leaves(EPOCH + 59.9, "NONE"), *CALLER.ends_talk(EPOCH + 60),
            *CALLER.leaves(EPOCH + 60.1), *CALLER.hangs_up(EPOCH + 60.2),
        ],
        [
            *JOINED, *TAKEN,
            ("WRAP_UP", 60.0, SALES), ("READY", 60.0, SALES), ("call.end", 60.2, ""),
        ],
    ),
    "the agent holds the call": (
        [
            *answered_call(),
            plain("CHANNEL_UNHOLD", EPOCH + 20, Unique_ID=f"leg-{CALLER.session}"),
            plain("CHANNEL_HOLD", EPOCH + 21, Unique_ID="another"),
            plain("CHANNEL_HOLD", EPOCH + 30, Unique_ID=f"leg-{CALLER.session}"),
            plain("CHANNEL_UNHOLD", EPOCH + 40, Unique_ID=f"leg-{CALLER.session}"),
            *CALLER.ends_talk(EPOCH + 60), *CALLER.hangs_up(EPOCH + 60.1),
        ],
        [
            *JOINED, *TAKEN, ("AGENT_HOLD", 30.0, SALES), ("AGENT_RESUMED", 40.0, SALES),
            ("WRAP_UP", 60.0, SALES), ("READY", 60.0, SALES), ("call.end", 60.1, ""),
        ],
    ),
    "the agent logs out during a call": (
        [
            *answered_call(), status(ANNA, "Logged Out", EPOCH + 20),
            *CALLER.ends_talk(EPOCH + 60), *CALLER.hangs_up(EPOCH + 60.1),
        ],
        [*JOINED, *TAKEN, ("LOGOFF", 60.0, SALES), ("call.end", 60.1, "")],
    ),
    "an agent's day": (
        [
            status(ANNA, "Logged Out", EPOCH + 1), status(ANNA, "Available (On Demand)", EPOCH + 2),
            status(ANNA, "On Break", EPOCH + 3), status(ANNA, "On Break", EPOCH + 4),
            status(ANNA, "Available", EPOCH + 5), state(ANNA, "Idle", EPOCH + 6),
        ],
        [
            ("LOGOFF", 1.0, SALES), ("LOGON", 2.0, SALES), ("READY", 2.0, SALES),
            ("NOT_READY", 3.0, "OTHER"), ("READY", 5.0, SALES),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("chunk", [0, 7, 1000])
@pytest.mark.parametrize("name", DIALOGUES)
def test_a_dialogue_produces_the_expected_events(name: str, chunk: int) -> None:
    """Each dialogue produces the expected events for any split of its bytes.

    Nothing is reported twice.
    """
    events, expected = DIALOGUES[name]
    found = events_of(events, chunk)
    assert summarize(found) == STARTED + expected
    assert len({one.id for one in found}) == len(found)


@pytest.mark.parametrize("name", DIALOGUES)
def test_a_kill_after_any_event_does_not_change_the_events(name: str) -> None:
    """A connector killed after any event continues from its rows, which have the whole state."""
    found: list[FreeswitchItem] = [CoreUuid("core-1"), FLOOR, *items(DIALOGUES[name][0])]
    expected = events_of(DIALOGUES[name][0])
    for killed_after in range(1, len(found)):
        restartable = RestartableProcessor()
        restartable.apply(*found[:killed_after])
        restartable.restart()
        restartable.apply(*found[killed_after:])
        restartable.end()
        # An offer to a caller who has not joined is not stored. No event may depend on it.
        if name != "an offer comes before the caller has joined":
            assert restartable.events == expected, killed_after


def test_a_call_has_the_callers_and_the_dialed_number() -> None:
    """A call's session is its UUID, which is unique. A variable may supply the dialed number."""
    start = events_of(CALLER.joins(EPOCH))[-2]
    assert start.source == "freeswitch/pbx"
    assert start.id == f"{CALLER.session}/start"
    transaction = start.data["transactionId"]
    assert isinstance(transaction, int)
    assert 0 < transaction < 2**52
    assert start.data == {
        "transactionId": transaction,
        "sessionId": CALLER.session,
        "service": SALES,
        "direction": "INBOUND",
        "callerId": "15551234567",
        "phoneDialed": "8000",
    }
    config = MappingConfig(source="pbx", did_variable="did", services={SALES: "Sales"})
    joins = [{**one, "variable_did": "18005550100"} for one in CALLER.joins(EPOCH)]
    named = events_of(joins, config=config)[-2]
    assert (named.data["phoneDialed"], named.data["service"]) == ("18005550100", "Sales")


def test_a_call_moved_to_another_queue_waits_twice() -> None:
    """A call that is moved by a timeout or by its agent waits twice."""
    there = Caller(CALLER.session, SUPPORT)
    at = EPOCH
    moved = events_of(
        [*CALLER.joins(at + 10), *CALLER.leaves(at + 40, "TIMEOUT"), *there.joins(at + 40.5)]
    )
    assert summarize(moved)[-2:] == [
        ("call.leave", 40.0, "OVERFLOW"),
        ("call.queue", 40.5, SUPPORT),
    ]
    transferred = events_of([*answered_call(), *there.joins(at + 59.9), *CALLER.ends_talk(at + 60)])
    assert summarize(transferred)[-3:] == [
        ("WRAP_UP", 59.9, SALES),
        ("READY", 59.9, SALES),
        ("call.queue", 59.9, SUPPORT),
    ]


def test_a_returning_caller_has_a_new_session() -> None:
    """A returning caller has a new session, even if mod_callcenter gives back the old place."""
    again = Caller("aaaaaaaa-0000-4000-8000-000000000002")
    found = events_of(
        [
            *CALLER.joins(EPOCH + 10),
            *CALLER.leaves(EPOCH + 20),
            *CALLER.hangs_up(EPOCH + 20.1),
            *again.joins(EPOCH + 30, "member-queue-resume"),
        ]
    )
    assert summarize(found)[-3:] == [
        ("call.end", 20.0, "Abandoned"),
        ("call.start", 30.0, SALES),
        ("call.queue", 30.0, SALES),
    ]


def test_the_other_agents_miss_a_call_that_rings_on_all_phones() -> None:
    """The other telephones stop ringing, and their agents miss the call."""
    at = EPOCH
    found = events_of(
        [
            *CALLER.joins(at + 10),
            *CALLER.is_offered(at + 12),
            *CALLER.is_offered(at + 12, BOB),
            *CALLER.is_answered(at + 15, BOB),
            *CALLER.is_not_answered(at + 15.1, "ORIGINATOR_CANCEL"),
            *CALLER.ends_talk(at + 60, BOB),
            *CALLER.hangs_up(at + 60.1),
        ]
    )
    states = Floor([msgspec.to_builtins(one) for one in found]).states
    assert states[ANNA] == ["LOGON", "READY", "RESERVED", "READY"]
    assert states[BOB] == ["LOGON", "READY", "RESERVED", "IN_CALL", "WRAP_UP", "READY"]
    missed = [one.data for one in found if one.type == "agent.missed"]
    assert [(one["agent"], one["reason"]) for one in missed] == [(ANNA, "CANCELLED")]


def test_the_agents_wrap_up_applies_unless_the_queue_has_its_own() -> None:
    """mod_callcenter stores a wrap-up time with the agent. The configuration takes precedence."""
    ended = [*answered_call(), *CALLER.ends_talk(EPOCH + 60), *CALLER.hangs_up(EPOCH + 60.1)]

    def until_ready(config: MappingConfig) -> float:
        restartable = RestartableProcessor(config)
        rows = [agent_row(ANNA, wrap_up_time="10"), agent_row(BOB)]
        restartable.apply(msgspec.structs.replace(FLOOR, agents=rows), *items(ended))
        restartable.end()
        return max(at for kind, at, _ in summarize(restartable.events) if kind == "READY")

    assert until_ready(CONFIG) == 70.0
    assert until_ready(MappingConfig(wrap_up_seconds={SALES: 5})) == 65.0


def test_the_configuration_supplies_break_reasons_and_term_codes() -> None:
    """The configuration supplies the reason for a break and names the event with a term code."""
    config = MappingConfig(
        reasons={"On Break": "BREAK"}, disposition_event="shop::sold", agents={ANNA: "anna"}
    )
    sold = plain(
        "CUSTOM", EPOCH + 20, Event_Subclass="shop::sold", Unique_ID=CALLER.session,
        TermCode="SOLD", Agent=ANNA,
    )  # fmt: skip
    found = events_of(
        [status(ANNA, "On Break", EPOCH + 1), *CALLER.joins(EPOCH + 10), sold], 0, config
    )
    assert ("NOT_READY", 1.0, "BREAK") in summarize(found)
    data = found[-1].data
    assert (found[-1].type, data["termCode"], data["agent"]) == ("call.disposition", "SOLD", "anna")


def test_a_restart_ends_all_calls() -> None:
    """Calls end at the time of the last event. Agents stay logged in, as in mod_callcenter."""
    restartable = RestartableProcessor()
    waiting = Caller("aaaaaaaa-0000-4000-8000-000000000009")
    restartable.apply(
        CoreUuid("core-1"), FLOOR, *items([*answered_call(), *waiting.joins(EPOCH + 20)])
    )
    restartable.restart()
    restartable.apply(CoreUuid("core-1"), CoreUuid("core-2"))
    again = msgspec.structs.replace(FLOOR, at=EPOCH + 300, last_at=EPOCH + 20)
    restartable.apply(again)
    restartable.end()
    assert summarize(restartable.events)[-4:] == [
        ("WRAP_UP", 20.0, SALES),
        ("READY", 20.0, SALES),
        ("call.end", 20.0, ""),
        ("call.end", 20.0, ""),
    ]
    restartable.apply(CoreUuid("core-2"))
    assert restartable.processor.take_step().position == {}


def test_a_call_that_ended_after_the_snapshot_is_not_reopened() -> None:
    """A call that ended after the snapshot stays ended when the snapshot is compared."""
    restartable = RestartableProcessor()
    found = [*CALLER.joins(EPOCH + 10), *CALLER.leaves(EPOCH + 20), *CALLER.hangs_up(EPOCH + 20.1)]
    restartable.apply(CoreUuid("core-1"), FLOOR, *items(found))
    before = len(restartable.events)
    old = msgspec.structs.replace(
        FLOOR, at=EPOCH + 19, members=[CALLER.row(EPOCH + 10)], existing={CALLER.session}
    )
    restartable.apply(old)
    restartable.end()
    assert restartable.events[before:] == []


EVENTS = [event for events, _ in DIALOGUES.values() for event in events] + [hangup("x", EPOCH)]


@st.composite
def damaged(draw: st.DrawFn) -> Event:
    """Return an event in which headers are missing or exchanged."""
    event = dict(draw(st.sampled_from(EVENTS)))
    for name in draw(st.lists(st.sampled_from(sorted(event)), max_size=3)):
        value = draw(st.sampled_from(["", CALLER.session, "-1", "9" * 40, "nan", ANNA, "true"]))
        if draw(st.booleans()):
            event.pop(name, None)
        else:
            event[name] = value
    return event


@given(st.lists(damaged(), max_size=60), st.sampled_from([None, "core-1", "core-2"]))
def test_random_events_produce_consistent_calls(found: list[Event], core: str | None) -> None:
    """For events in any order and with missing parts, a call begins first and ends at most once."""
    reader, restartable = EslEventConverter(CONFIG), RestartableProcessor()
    restartable.apply(CoreUuid("core-1"), FLOOR)
    for number, event in enumerate(found):
        body = msgspec.json.encode(event)
        try:
            pbx_event = reader.convert(reader.decode(body), body, EPOCH)
        except Unreadable:
            continue
        if pbx_event is not None:
            restartable.apply(pbx_event)
        if core and number == len(found) // 2:
            restartable.apply(
                CoreUuid(core), msgspec.structs.replace(FLOOR, ended={CALLER.session})
            )
    restartable.processor.advance(1e10)
    open_calls: set[Any] = set()
    for one in [*restartable.events, *restartable.processor.take_step().events]:
        call = one.data.get("sessionId")
        match one.type:
            case "call.start":
                assert call not in open_calls
                open_calls.add(call)
            case "call.end":
                assert call in open_calls
                open_calls.discard(call)
            case "call.queue" | "call.leave" | "agent.missed":
                assert call in open_calls


def test_all_dialogues_together_produce_the_expected_figures() -> None:
    """The figures are those that a person reading the events would count."""
    events: list[Event] = []
    for number, (dialogue, _) in enumerate(DIALOGUES.values()):
        text = msgspec.json.encode(dialogue).replace(
            CALLER.session.encode(), f"{CALLER.session[:-4]}{number:04}".encode()
        )
        events += msgspec.json.decode(text)
    floor = Floor([msgspec.to_builtins(one) for one in events_of(events)])
    calls = len(DIALOGUES) - 1  # one of the dialogues has no call, only an agent
    assert floor.figures() == {SALES: Figures(calls, 7, 5, 3)}
    assert floor.open == set()
