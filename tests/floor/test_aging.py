"""Tests that a name, and nothing else, is removed 30 days after the last event that uses it."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from floorcast.floor import aging
from floorcast.floor.directory import FIRST_FREE_ID
from floorcast.floor.floor import Floor
from floorcast.floor.state import from_snapshot, snapshot_parts
from floorcast.floor.view import FloorView
from floorcast.model.inbound import InboundEvent
from floorcast.statistics.agent_stats import agent_statistics_ex
from floorcast.statistics.visibility import Moment, Visibility
from tests.floor.random_floors import MIDDAY, PLAN, agent, call, event, new_floor, ticks

DAY = 86_400


@dataclass
class Log:
    """Folds events on given days of log time, and numbers the entries."""

    floor: Floor = field(default_factory=new_floor)
    entry: int = 1

    def day(self, day: float, *events: InboundEvent) -> None:
        """Fold an entry that is recorded ``day`` days after noon of the first day."""
        self.entry += 1
        at = ticks(day * DAY)
        self.floor.begin_entry(self.entry, at)
        self.floor.note_source_events(events)
        for one in events:
            one.time = None
            self.floor.fold(one, at, f"id-{self.entry}")

    def restart(self) -> None:
        """Continue from a snapshot."""
        self.floor = Floor(from_snapshot(list(snapshot_parts(self.floor.snapshot_state()))))


def named(who: str | int, **data: object) -> InboundEvent:
    """Return an event that names an agent."""
    return agent("NOT_READY", 0, who, **data)


def names(floor: Floor) -> set[str]:
    """Return the logins and names that the floor knows."""
    known = floor.state.directory
    return (
        {one.login for one in known.agents.values()}
        | {one.name for one in known.services.values()}
        | set(known.campaigns.values())
        | set(known.teams.values())
    )


def test_undeclared_names_are_removed_after_thirty_days() -> None:
    """Agents, services, campaigns and teams are removed with all their keys and indexes."""
    log = Log()
    log.day(
        0,
        named("Lee Ann", team="Night"),
        call("call.start", 0, service="Extra", direction="INBOUND", campaign="Spring"),
        call("call.end", 1),
        event("campaign.update", 2, campaign="Fall", service="Extra", name="Autumn"),
    )
    new = {"LeeAnn", "Night", "Extra", "Spring", "Autumn"}
    log.day(30.2)  # still the 30th day in UTC
    assert new < names(log.floor)
    log.day(31)
    log.day(32)
    assert names(log.floor) == {"ANN", "BOB", "Sales", "Support"}
    known = log.floor.state.directory
    assert set(known.agent_keys) == {"ANN", "BOB", 7, 8}
    assert set(known.service_keys) == {"Sales", "Support", 10, 20}
    assert known.campaign_keys == known.team_keys == {}
    assert set(known.agents_named) == {7, 8}
    assert set(known.services_named) == {10, 20}
    state = log.floor.state
    assert not (state.agents)
    assert not (state.campaigns)
    assert not (state.connects)


def test_a_dropped_declaration_is_kept_for_thirty_days() -> None:
    """A name that the site drops stays for 30 days, even if no event mentions it."""
    log = Log()
    declared = {one.name for one in PLAN.services} | {one.login for one in PLAN.agents}
    log.day(0)
    log.floor.apply(replace(PLAN, services=(), agents=()))
    log.day(1)
    log.day(30)
    assert declared <= names(log.floor)
    log.day(32)
    assert not declared & names(log.floor)


def test_an_id_is_never_reused() -> None:
    """An id is not assigned again, even if the last name with an id has been removed."""
    log = Log()
    log.day(0, named("Lee"))
    log.day(31)
    log.day(31.1, named("Kim"))
    assert set(log.floor.state.directory.agents) == {7, 8, FIRST_FREE_ID + 1}


def test_names_in_use_do_not_age() -> None:
    """A service stays while an agent is logged in to it, and a team while it has an agent."""
    log = Log()
    log.day(0, agent("LOGON", 0, "Lee", service="Extra", team="Night"))
    for day in range(1, 40):
        log.day(day, agent("READY", 0, "Lee"))
    assert {"Lee", "Extra", "Night"} < names(log.floor)
    for day in range(71, 140, 4):
        log.day(day)
    assert not {"Lee", "Extra", "Night"} & names(log.floor)
    assert log.floor.logged_in_agents.numbers() == []


def test_a_campaign_stays_while_its_calls_have_events() -> None:
    """A campaign stays while one of its calls has events, even if no event names the campaign."""
    log = Log()
    start = call("call.start", 0, service=10, direction="INBOUND", campaign="Spring")
    log.day(0, start)
    for hour in range(1, 40 * 8):
        log.day(hour / 8, call("call.update", 0, account="7"))
    assert "Spring" in names(log.floor)
    assert log.floor.state.campaigns.keys() == log.floor.state.directory.campaigns.keys()


def test_a_call_stays_after_its_agents_name_was_removed() -> None:
    """A call that lasts 40 days can have a disposition after its agent's name was removed."""
    log = Log()
    log.day(0, call("call.start", 0, service=10, direction="INBOUND"))
    log.day(0.01, call("call.queue", 0), call("call.answer", 0, agent="Lee"))
    for hour in range(1, 40 * 8):
        log.day(hour / 8, call("call.update", 0, account="7"))
    assert "Lee" not in names(log.floor)
    log.day(40, call("call.disposition", 0, termCode="RPC"), call("call.end", 0))
    view = FloorView(log.floor)
    moment = Moment(int((MIDDAY.timestamp() + 40 * DAY) * 1000), 4 * 3_600_000, 16 * 3_600_000)
    scopes = Visibility([view], None).scopes()
    shown = agent_statistics_ex(scopes, moment).all()
    assert [one for one in shown if one.agent_login_id == "Lee"] == []


def test_a_floor_continues_after_a_month_without_events() -> None:
    """The agent's name is removed in the same entry in which the agent's call leaves memory."""
    log = Log()
    ref = {"transactionId": 1, "sessionId": "S1"}
    log.day(0, call("call.queue", 0, service=10), agent("IN_CALL", 0, "Lee", call=ref))
    log.restart()
    log.day(40)
    assert "Lee" not in names(log.floor)
    assert not log.floor.call_table.calls
    calls = log.floor.named_calls
    assert (calls._named, calls._agents_by_call) == ({}, {})  # noqa: SLF001 - as above


def test_many_old_names_are_removed_in_steps() -> None:
    """Many old names are removed in several steps. A restart in between makes no difference."""
    log, other = Log(), Log()
    crowd = [named(f"N{number}") for number in range(aging.MAX_REMOVED_AT_ONCE * 5 // 2)]
    for one in (log, other):
        one.day(0, *msgspec.json.decode(msgspec.json.encode(crowd), type=list[InboundEvent]))
    left = []
    for minute in range(4):
        for one in (log, other):
            one.day(31 + minute * 60 / DAY)
        other.restart()
        left.append(len(log.floor.state.directory.agents))
        assert msgspec.to_builtins(
            other.floor.snapshot_state(), enc_hook=list
        ) == msgspec.to_builtins(log.floor.snapshot_state(), enc_hook=list)
    most = aging.MAX_REMOVED_AT_ONCE
    assert left == [most * 3 // 2 + 2, most // 2 + 2, 2, 2]


def test_memory_does_not_grow_with_new_names() -> None:
    """From day 31 on, as many names leave as arrive, so the snapshot does not grow."""
    log = Log()
    sizes = []
    for day in range(93):
        events = [
            event
            for number in range(20)
            for event in (
                agent("LOGON", 0, f"Agent {day}-{number}", service=f"S {day}-{number}"),
                agent("LOGOFF", 0, f"Agent {day}-{number}", team=f"T {day}-{number}"),
                event_of_campaign(f"C {day}-{number}"),
            )
        ]
        log.day(day, *events)
        log.day(day + 0.01)
        sizes.append(sum(map(len, snapshot_parts(log.floor.snapshot_state()))))
    floor = log.floor
    assert max(sizes[32:]) < sizes[32] * 1.02
    assert len(floor.state.directory.services) <= 20 * 33
    assert len(floor.logged_in_agents._at) + len(floor.logged_off_agents._at) <= 2 * 20 * 33  # noqa: SLF001 - the indexes must not grow either
    assert len(floor.call_table.in_progress) <= 20 * 33


def event_of_campaign(name: str) -> InboundEvent:
    """Return a report of a campaign."""
    return event("campaign.update", 0, campaign=name, completed=1)


def test_upgraded_nodes_remove_old_names_on_the_same_day() -> None:
    """Two nodes that are upgraded on different days remove old names on the same day."""
    floors = []
    for upgraded in (1, 3):
        log = Log()
        log.day(0, named("Lee"))
        raw = msgspec.to_builtins(log.floor.snapshot_state(), enc_hook=list)
        for new in ("agents_named", "services_named", "day", "swept", "ages_from"):
            del raw["directory"][new]
        del raw["counters"]["intervals"]
        log.floor = Floor(msgspec.convert(raw, type(log.floor.state), strict=False))
        log.day(upgraded)
        floors.append(log)
    left: list[list[bool]] = []
    for day in range(4, 80):
        for log in floors:
            log.day(day)
        left.append(["Lee" in names(log.floor) for log in floors])
    assert left[0] == [True, True]
    assert left[-1] == [False, False]
    assert all(first == second for first, second in left)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.sampled_from("ABCDE"), st.booleans()), max_size=40)
)
def test_aging_matches_a_simple_model(steps: list[tuple[int, str, bool]]) -> None:
    """For any names, days and restarts, the floor has the names that a simple model keeps."""
    log = Log()
    last: dict[str, int] = {}
    day = 0
    for wait, name, restarts in steps:
        day += wait
        log.day(day, named(name))
        last[name] = day
        log.day(day + 0.01)
        if restarts:
            log.restart()
        first = MIDDAY.timestamp() // DAY
        today = (MIDDAY.timestamp() + (day + 0.01) * DAY) // DAY - first
        kept = {one for one, at in last.items() if at >= today - aging.KEPT_DAYS}
        assert names(log.floor) == kept | {one.login for one in PLAN.agents} | {
            one.name for one in PLAN.services
        }
