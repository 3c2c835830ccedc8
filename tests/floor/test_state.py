"""Tests of the format of a floor's snapshot, which must stay readable."""

from __future__ import annotations

import gzip
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from floorcast.floor import state
from floorcast.floor.agents import CountedPart, CurrentCall, FloorAgent
from floorcast.floor.calls import Call, CompactedSteps
from floorcast.floor.queue_segments import QueueSegment
from floorcast.floor.state import FloorState, from_snapshot, snapshot_parts
from floorcast.model.inbound import InboundEvent, milliseconds
from floorcast.model.token import TICKS_PER_MS
from tests.floor.random_floors import PLAN, agent, call, event, fold_all, new_floor


def test_the_site_and_segments_keep_their_stored_names() -> None:
    """The stored names ``plan`` and ``legs`` are those of the previous release."""
    floor = new_floor()
    fold_all(floor, [call("call.queue", 1, service=10)])
    parts = list(snapshot_parts(floor.snapshot_state()))
    state, calls, *_ = map(msgspec.msgpack.decode, parts)
    assert msgspec.convert(state["plan"], type(PLAN)) == PLAN
    assert [one["legs"] for one in calls["calls"]] != [[]]
    assert from_snapshot(parts).config == PLAN


@pytest.mark.parametrize(
    ("struct", "names"),
    [
        (FloorState, {"heard_at", "plan", "terms"}),
        (FloorAgent, {"at_hand", "on", "reached", "slot", "wraps_up"}),
        (Call, {"folded", "gone", "last_taken", "legs", "told"}),
        (CurrentCall, {"named", "served"}),
        (CompactedSteps, {"gave_up", "gave_up_segments"}),
        (QueueSegment, {"gave_up"}),
    ],
)
def test_renamed_members_keep_their_stored_names(
    struct: type[msgspec.Struct], names: set[str]
) -> None:
    """Snapshots and stored calls of earlier releases stay readable."""
    assert names <= set(struct.__struct_encode_fields__)


SHIFT = Path(__file__).with_name("forty_minutes.ndjson.gz")  # simulated; some events come late
DIGESTS = {2: "c28e0eb388058b05"}


def test_the_version_changes_with_the_rules() -> None:
    """If this fails, the same events give another floor than before.

    A floor that an earlier release has folded then lacks what this release computes. Increase
    ``SNAPSHOT_VERSION``, unless it was already increased since the last release, and store the new
    digest. Store only the digest if the floor is the same and just encoded in another way.
    """
    floor = new_floor()
    with gzip.open(SHIFT) as lines:
        events = [msgspec.json.decode(line, type=InboundEvent) for line in lines]
    newest = 0
    for number, one in enumerate(events, 2):
        newest = max(newest, milliseconds(one.time)) + 1
        floor.begin_entry(number, newest * TICKS_PER_MS)
        floor.fold(one, newest * TICKS_PER_MS, f"id-{number}")
    found = b"".join(snapshot_parts(floor.snapshot_state()))
    assert sha256(found).hexdigest()[:16] == DIGESTS[state.SNAPSHOT_VERSION]


def test_a_snapshot_from_before_logins_were_counted_is_readable() -> None:
    """Such a snapshot's agents were not logged in to services for which nothing was counted."""
    floor = new_floor()
    fold_all(floor, [agent("READY", 1, services=[10, 20])])
    state = floor.snapshot_state()
    state.agents[7].parts = (CountedPart(10, 1, 2, ((3, 10),)),)
    first, *others = map(msgspec.msgpack.decode, snapshot_parts(state))
    for part in others:
        for known in part.get("agents", ()):
            del known["counted_login"]
            known["parts"] = [one[:4] for one in known["parts"]]
        for day in part.get("agent_days", {}).values():
            del day["logins"]
    read = from_snapshot([msgspec.msgpack.encode(part) for part in (first, *others)])
    assert read.agents[7].parts == state.agents[7].parts
    (services,) = read.counters.agent_days.values()
    assert {service: day[7].was_logged_in for service, day in services.items()} == {
        10: True,
        20: False,
    }


def test_no_part_of_a_large_snapshot_is_large() -> None:
    """A part is encoded in one go, so a large one would block the event loop."""
    state = FloorState(1)
    state.agents = {number: FloorAgent(id=number) for number in range(1000)}
    state.calls = [Call(number, "s") for number in range(1000)]
    state.connects = {10: {f"call {number}": number for number in range(20_000)}, 11: {}}
    state.quiet_calls = [((number, "s"), number) for number in range(20_000)]
    parts = list(snapshot_parts(state))
    assert max(map(len, parts)) < 200_000
    assert msgspec.to_builtins(from_snapshot(parts)) == msgspec.to_builtins(state)


@pytest.mark.parametrize("size", [1, 15, 16, 17, 100])
def test_a_snapshot_that_is_made_in_steps_is_complete(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names are encoded a few per step. The snapshot does not depend on the steps."""
    monkeypatch.setattr(state, "_NAMES_STEP", size)
    floor = new_floor()
    for number in range(40):
        fold_all(floor, [agent("READY", 1, f"A{number}", service=f"S{number}", team=f"T{number}")])
    fold_all(floor, [event("campaign.update", 1, campaign="Spring", service=10, loaded=1)])
    fold_all(floor, [call("call.queue", 1, service=10), call("call.end", 2)], begin=99)
    expected = floor.snapshot_state()
    steps = list(state.snapshot_steps(expected))
    assert steps.count(None) >= 40 // size * 8
    found = from_snapshot([part for part in steps if part is not None])
    assert (found.directory, found.campaigns) == (expected.directory, expected.campaigns)
    assert msgspec.msgpack.encode(found.counters.totals) == msgspec.msgpack.encode(
        expected.counters.totals
    )
    assert list(found.directory.agent_keys) == list(expected.directory.agent_keys)
