"""Tests that compare a floor's alerts with a simple model."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.floor.alerts import (
    NO_ALERT,
    Alert,
    alert_key,
    covers,
    next_status,
    public_alert_id,
)
from floorcast.floor.floor import Floor
from floorcast.floor.state import FloorState, from_snapshot, snapshot_parts
from floorcast.model.inbound import ALERT_SOURCE, AlertTransition
from floorcast.model.inbound_data import AlertTransitionData
from floorcast.model.outbound import AlertEvent
from floorcast.site.configuration import AlertRule, FloorConfig, Service

SERVICE = Service(id=7, name="Support")
RULES = st.builds(
    lambda threshold, gap, above, hold, calls: AlertRule(
        name="Long wait",
        figure="longestCallInQueue",
        threshold=threshold,
        clear=threshold - gap if above else threshold + gap,
        above=above,
        hold=hold,
        min_calls=calls,
    ),
    st.integers(0, 10), st.integers(0, 5), st.booleans(), st.integers(0, 4), st.integers(0, 2),
)  # fmt: skip
FIGURES = st.lists(
    st.tuples(st.none() | st.integers(-6, 16), st.integers(0, 3), st.integers(1, 3), st.booleans()),
    max_size=40,
)
NUMBER = alert_key("Long wait", SERVICE.id)


def model(rule: AlertRule, figures: list[tuple[int | None, int, int, bool]]) -> list[object]:
    """Compute the transitions from the times at which the figure was beyond the threshold."""
    found: list[object] = []
    run: int | None = None
    on, now, sign = False, 0, 1 if rule.above else -1
    for value, calls, step, _ in figures:
        now += step * 1000
        known = value is not None and calls >= rule.min_calls
        excess = sign * (value - rule.threshold) if known and value is not None else -1.0
        back = not known or (value is not None and sign * (value - rule.clear) <= 0)
        if on:
            if back:
                found.append(("ok", now))
                on, run = False, None
        elif excess > 0:
            if run is None:
                run = now
                if rule.hold:
                    found.append(("pending", now))
            if now - run >= rule.hold * 1000:
                found.append(("firing", now))
                on = True
        elif run is not None:
            found.append(("ok", now))
            run = None
    return found


def floor_with(rule: AlertRule) -> Floor:
    """Return a floor that has had the rule since entry 1."""
    floor = Floor(FloorState(client=1))
    floor.begin_entry(1, 10_000)
    floor.apply(FloorConfig(services=(SERVICE,), alerts=(rule,)))
    return floor


def proposal(floor: Floor, rule: AlertRule, value: int | None, calls: int, now: int) -> object:
    """Return the transition that a node with this floor proposes, or None."""
    alert = floor.state.alerts.get(NUMBER, NO_ALERT)
    status = next_status(rule, alert, value, calls=calls, held=now - alert.since)
    if status == alert.status:
        return None
    data = AlertTransitionData(
        alert=NUMBER,
        name=rule.name,
        figure=rule.figure,
        service=SERVICE.id,
        status=status,
        follows=alert.number or floor.state.config_entry,
        threshold=rule.threshold,
        above=rule.above,
        value=value,
    )
    return AlertTransition(id="x", source=ALERT_SOURCE, specversion="1.0", data=data)


def restarted(floor: Floor) -> Floor:
    """Return the floor after a restart from its snapshot."""
    return Floor(from_snapshot(list(snapshot_parts(floor.snapshot_state()))))


@given(RULES, FIGURES)
def test_each_transition_applies_once(
    rule: AlertRule, figures: list[tuple[int | None, int, int, bool]]
) -> None:
    """Two nodes propose every transition, one of them late, but each transition applies once."""
    floor, now, entry = floor_with(rule), 0, 1
    fed: list[object] = []
    late: object = None
    for value, calls, step, restart in figures:
        now += step * 1000
        both = [proposal(floor, rule, value, calls, now) for _ in range(2)]
        for transition in (late, *both):
            if isinstance(transition, AlertTransition):
                entry += 1
                ticks = now * 10_000 + entry
                floor.begin_entry(entry, ticks)
                out = floor.fold(transition, ticks, "-")
                if out is not None:
                    fed.append((transition.data.status, now))
        late = both[1]
        if restart:
            floor = restarted(floor)
    assert fed == model(rule, figures)


def test_an_acknowledged_alert_keeps_the_time_at_which_it_fired() -> None:
    """An acknowledged alert has the user's name and ends when the figure is back to normal."""
    rule = AlertRule(name="Long wait", figure="longestCallInQueue", threshold=120, clear=60)
    floor = floor_with(rule)
    fired = proposal(floor, rule, 121, 0, 1000)
    assert isinstance(fired, AlertTransition)
    floor.begin_entry(2, 10_000_001)
    floor.fold(fired, 10_000_001, "-")
    data = msgspec.structs.replace(
        fired.data, status="acknowledged", follows=2, acknowledged_by="ops"
    )
    floor.begin_entry(3, 20_000_000)
    floor.fold(msgspec.structs.replace(fired, data=data), 20_000_000, "-")
    known = floor.state.alerts[NUMBER]
    assert (known.status, known.since, known.acknowledged_by, known.acknowledged_at) == (
        "acknowledged", 1000, "ops", 2000,
    )  # fmt: skip
    assert next_status(rule, known, 61, calls=0, held=0) == "acknowledged"
    assert next_status(rule, known, 60, calls=0, held=0) == "ok"


def test_an_alert_without_a_rule_ends_and_is_removed() -> None:
    """An alert whose rule was removed stays until its last transition, which the feed shows."""
    rule = AlertRule(name="Long wait", figure="longestCallInQueue", threshold=120, clear=60)
    floor = floor_with(rule)
    fired = proposal(floor, rule, 121, 0, 1000)
    assert isinstance(fired, AlertTransition)
    floor.begin_entry(2, 10_000_001)
    floor.fold(fired, 10_000_001, "-")
    floor.begin_entry(3, 20_000_000)
    floor.apply(FloorConfig(services=(SERVICE,)))
    assert floor.state.alerts[NUMBER].status == "firing"
    end = msgspec.structs.replace(fired.data, status="ok", follows=2, value=None)
    floor.begin_entry(4, 30_000_000)
    out = floor.fold(msgspec.structs.replace(fired, data=end), 30_000_000, "-")
    assert out is not None
    assert out.feed == "alerts"
    assert floor.state.alerts == {}


def test_a_rule_covers_the_services_or_call_centers_that_it_names() -> None:
    """A rule with neither services nor call centers covers all services."""
    plain = AlertRule(name="x", figure="totalAbandoned", threshold=1, clear=1)
    one = msgspec.structs.replace(plain, services=(7,))
    center = msgspec.structs.replace(plain, call_centers=(5,))
    assert [covers(rule, 7, 4) for rule in (plain, one, center)] == [True, True, False]
    assert [covers(rule, 8, 5) for rule in (plain, one, center)] == [True, False, True]


def test_a_threshold_does_not_change_an_alerts_key() -> None:
    """An alert's key depends only on the rule's name and the service."""
    assert alert_key("a", 1) == alert_key("a", 1)
    assert (
        len({alert_key("a", 1), alert_key("a", None), alert_key("b", 1), alert_key("a", 11)}) == 4
    )
    assert Alert("a", "totalOffered", 1, 5.0, above=True).status == "ok"


def test_the_log_and_the_snapshots_keep_their_keys() -> None:
    """A later release must find an alert that is stored under the key of an earlier release."""
    assert alert_key("Long wait", 7) == "41b638aeca8d5846"


def test_two_clients_alerts_have_different_ids() -> None:
    """Alerts of the same rule at the same service id of two clients have different ids."""
    ids = {public_alert_id(client, key, NO_ALERT) for client in (1, 11) for key in ("a", "1a")}
    assert len(ids) == 4


def change(status: str, follows: int, public_id: str = "") -> AlertTransition:
    """Return a change of the alert to a status."""
    data = AlertTransitionData(
        alert=NUMBER,
        name="Long wait",
        figure="longestCallInQueue",
        service=SERVICE.id,
        status=status,  # type: ignore[arg-type]  # tests give literals
        follows=follows,
        threshold=120,
        above=True,
        public_id=public_id,
    )
    return AlertTransition(id="x", source=ALERT_SOURCE, specversion="1.0", data=data)


@pytest.mark.parametrize(
    ("begin", "end", "shown"),
    [("new", "new", "new"), ("", "new", NUMBER), ("new", "", "new"), ("", "", NUMBER)],
)
def test_an_alert_keeps_its_id_until_it_is_ok(begin: str, end: str, shown: str) -> None:
    """The id of an alert's begin is that of its end, whichever release proposes the changes.

    An earlier release used the key as the id. The alert's next change has an id of its own.
    """
    floor = floor_with(AlertRule(name="Long wait", figure="x", threshold=120, clear=60))
    ids = []
    for entry, (status, public_id) in enumerate(
        [
            ("pending", begin),
            ("firing", end),
            ("acknowledged", end),
            ("ok", end),
            ("firing", "new"),
        ],
        2,
    ):
        floor.begin_entry(entry, entry * 10_000)
        out = floor.fold(change(status, entry - 1, public_id), entry * 10_000, "-")
        assert out is not None
        assert isinstance(out.event, AlertEvent)
        ids.append(out.event.alert_id)
        floor = restarted(floor)
    assert ids == [shown] * 4 + ["new"]
