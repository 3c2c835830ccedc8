"""Tests of the events that record alerts' transitions in the log."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.alerts.transitions import (
    HeldTime,
    acknowledgement,
    clearing_transitions,
    due_transitions,
    transition_batch,
)
from floorcast.floor.floor import Floor
from floorcast.floor.state import from_snapshot, snapshot_parts
from floorcast.floor.view import NO_ALERT, FloorView, public_alert_id
from floorcast.model.inbound import ALERT_SOURCE, AlertTransition, InboundEvent, read_lines
from floorcast.model.outbound import AlertEvent
from floorcast.site.configuration import AlertRule, FloorConfig, Service
from floorcast.statistics.alert_evaluation import alerts_of, evaluate_alerts
from floorcast.statistics.visibility import Moment
from tests.search import tries
from tests.statistics.floors import at, call_at, fold_events

NOON = at("2026-11-24T12:00:00-05:00")
PLAN = FloorConfig(
    services=(Service(id=10, name="Sales"),),
    alerts=(
        AlertRule(name="Wait", figure="longestCallInQueue", threshold=20, clear=20, to=("ops",)),
    ),
)


def waiting() -> Floor:
    """Return a floor with a call that has been waiting for half a minute."""
    return fold_events(PLAN, [call_at("queue", NOON - 30_000, 2, service=10)])


def without_gaps(now: int) -> HeldTime:
    """Return a function that gives the whole time since an alert began to be pending."""
    return lambda _key, alert: now - alert.since


def proposed(floor: Floor) -> list[AlertTransition]:
    """Return the transitions that are due at noon."""
    return due_at(floor, NOON)


def test_proposals_of_one_transition_have_the_same_id() -> None:
    """Two proposals of a transition have the same id. A line of the log decodes to the event."""
    floor = waiting()
    (first,), (second,) = proposed(floor), proposed(floor)
    assert (first.id, first.source) == (second.id, ALERT_SOURCE)
    assert first.id == f"{first.data.alert}:{floor.state.config_entry}"
    assert (first.data.status, first.data.value, first.data.to) == ("firing", 30, ("ops",))
    assert first.data.public_id == public_alert_id(floor.state.client, first.data.alert, NO_ALERT)
    batch = transition_batch(7, [first])
    assert read_lines(b"\n".join(batch.lines)) == [first]


def test_nothing_is_due_until_the_figure_clears() -> None:
    """No transition is due after the first.

    An acknowledgement has an id with the first transition's entry.
    """
    floor = waiting()
    (first,) = proposed(floor)
    floor.begin_entry(9, NOON * 10_000)
    floor.fold(first, NOON * 10_000, "-")
    assert proposed(floor) == []
    acknowledged = acknowledgement(FloorView(floor), first.data.alert, "ops", NOON)
    assert acknowledged.id == f"{first.data.alert}:9"
    assert (acknowledged.data.status, acknowledged.data.acknowledged_by) == ("acknowledged", "ops")


def test_an_alert_without_a_rule_is_cleared() -> None:
    """If an alert's rule is removed, an ordinary transition ends the alert."""
    floor = waiting()
    (first,) = proposed(floor)
    floor.begin_entry(9, NOON * 10_000)
    floor.fold(first, NOON * 10_000, "-")
    floor.begin_entry(10, NOON * 10_000 + 1)
    floor.apply(msgspec.structs.replace(PLAN, alerts=()))
    (end,) = clearing_transitions(FloorView(floor), frozenset(), NOON)
    assert (end.data.status, end.data.follows) == ("ok", 9)
    assert list(clearing_transitions(FloorView(floor), frozenset({first.data.alert}), NOON)) == []


def folded_transition(floor: Floor, now: int) -> AlertTransition:
    """Fold the transition that is due at a time, and return it."""
    (due,) = due_at(floor, now)
    fold_at(floor, due, now)
    return due


def due_at(floor: Floor, now: int) -> list[AlertTransition]:
    """Return the transitions that are due at a time."""
    view = FloorView(floor)
    return [
        one
        for some in evaluate_alerts(view, alerts_of(view), Moment(now))
        for one in due_transitions(view, some, now, without_gaps(now))
    ]


def fold_at(floor: Floor, transition: AlertTransition, now: int) -> object:
    """Fold a transition at a time. Returns the feed's event, or None."""
    floor.begin_entry(floor.state.entry + 1, now * 10_000)
    out = floor.fold(transition, now * 10_000, "-")
    return None if out is None else out.event


def sending_to(floor: Floor, *to: str) -> None:
    """Change the receivers of the rule, which must hold for ten seconds."""
    (rule,) = PLAN.alerts
    floor.begin_entry(floor.state.entry + 1, NOON * 10_000)
    changed = msgspec.structs.replace(rule, to=to, hold=10)
    floor.apply(msgspec.structs.replace(PLAN, alerts=(changed,)))


def end_call(floor: Floor, now: int) -> None:
    """End the call that is waiting."""
    floor.begin_entry(floor.state.entry + 1, now * 10_000)
    floor.fold(call_at("end", now, 2), now * 10_000, "-")


def test_every_receiver_of_an_alert_is_sent_its_end() -> None:
    """A webhook that a rule no longer names is sent no further change except the end.

    This is also true after a restart. The next alert is sent only to the rule's webhooks.
    """
    floor = waiting()
    sending_to(floor, "first", "second")
    assert folded_transition(floor, NOON).data.to == ("first", "second")
    sending_to(floor, "second", "third")
    fired = folded_transition(floor, NOON + 10_000)
    assert (fired.data.status, fired.data.to) == ("firing", ("second", "third"))
    sending_to(floor)
    floor = Floor(from_snapshot(list(snapshot_parts(floor.snapshot_state()))))
    end_call(floor, NOON + 11_000)
    end = folded_transition(floor, NOON + 11_000)
    assert (end.data.status, end.data.to) == ("ok", ("first", "second", "third"))
    sending_to(floor, "second")
    floor.begin_entry(floor.state.entry + 1, NOON * 10_000)
    floor.fold(call_at("queue", NOON + 12_000, 3, service=10), NOON * 10_000, "-")
    assert folded_transition(floor, NOON + 60_000).data.to == ("second",)


def test_every_receiver_of_an_alert_is_sent_its_end_when_the_rule_is_removed() -> None:
    """This includes webhooks that the rule did not name when it was removed."""
    floor = waiting()
    sending_to(floor, "first")
    folded_transition(floor, NOON)
    sending_to(floor, "second")
    folded_transition(floor, NOON + 10_000)
    floor.begin_entry(floor.state.entry + 1, NOON * 10_000)
    floor.apply(msgspec.structs.replace(PLAN, alerts=()))
    (end,) = clearing_transitions(FloorView(floor), frozenset(), NOON + 11_000)
    assert (end.data.status, end.data.to) == ("ok", ("first", "second"))


@pytest.mark.parametrize("status", ["pending", "firing", "acknowledged"])
def test_a_webhook_that_is_added_to_a_rule_is_sent_the_last_change(status: str) -> None:
    """A new receiver is sent the change as it was, once. The alert and its begin stay the same.

    This is also true after a restart. The next change is sent to all of the rule's webhooks.
    """
    floor = waiting()
    sending_to(floor, "first")
    folded_transition(floor, NOON)
    if status != "pending":
        folded_transition(floor, NOON + 10_000)
    if status == "acknowledged":
        (key,) = floor.state.alerts
        fold_at(floor, acknowledgement(FloorView(floor), key, "ann", NOON + 15_000), NOON + 15_000)
    (before,) = floor.state.alerts.values()
    sending_to(floor, "first", "second")
    floor = Floor(from_snapshot(list(snapshot_parts(floor.snapshot_state()))))
    now = NOON + (5_000 if status == "pending" else 20_000)
    (due,) = due_at(floor, now)
    assert (due.data.status, due.data.to, due.data.value) == (status, ("second",), before.value)
    event = fold_at(floor, due, now)
    assert isinstance(event, AlertEvent)
    assert (event.status, event.to, event.acknowledged_by) == (
        status, ("second",), before.acknowledged_by,
    )  # fmt: skip
    assert event.timestamp == (before.acknowledged_at or before.since)
    assert fold_at(floor, due, now) is None
    assert due_at(floor, now) == []
    (after,) = floor.state.alerts.values()
    assert (after.status, after.since, after.acknowledged_at) == (
        before.status, before.since, before.acknowledged_at,
    )  # fmt: skip
    end_call(floor, NOON + 21_000)
    assert folded_transition(floor, NOON + 21_000).data.to == ("first", "second")


def test_an_acknowledgement_is_sent_to_the_webhooks_of_the_rule() -> None:
    """This includes those that the rule did not name when the alert fired, and no others."""
    floor = waiting()
    (first,) = proposed(floor)
    fold_at(floor, first, NOON)
    sending_to(floor, "second")
    folded_transition(floor, NOON)
    done = acknowledgement(FloorView(floor), first.data.alert, "ann", NOON)
    assert done.data.to == ("second",)


def test_a_webhook_that_does_not_know_of_an_alert_is_not_sent_its_end() -> None:
    """If an alert ends before a new webhook can be told of it, the webhook is sent nothing."""
    floor = waiting()
    folded_transition(floor, NOON)
    sending_to(floor, "ops", "second")
    end_call(floor, NOON + 1_000)
    assert folded_transition(floor, NOON + 1_000).data.to == ("ops",)


def test_an_alert_that_an_earlier_release_stored_ends_at_its_receivers() -> None:
    """An earlier release stored only the webhooks of the last change."""
    floor = waiting()
    fired = folded_transition(floor, NOON)
    alert = floor.state.alerts[fired.data.alert]
    floor.state.alerts[fired.data.alert] = msgspec.structs.replace(alert, notified=())
    sending_to(floor, "other")
    end_call(floor, NOON + 1_000)
    assert folded_transition(floor, NOON + 1_000).data.to == ("ops",)


Step = str | frozenset[str]  # a frozenset has the rule's webhooks from now on
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.sampled_from(["queue", "end", "acknowledge", "restart", "remove", "wait"])
    | st.frozensets(st.sampled_from(["first", "second", "third"])),
    max_size=30,
)


class AlertHistory:
    """A floor with an alert, and the changes that each webhook was ``told``: status and time."""

    def __init__(self) -> None:
        self.floor, self.now, self.calls = waiting(), NOON, 2
        self.told: dict[str, list[tuple[str, int]]] = {"first": [], "second": [], "third": []}

    def take(self, step: Step) -> None:
        """Let four seconds pass, take a step, and send the transitions that are due."""
        self.now += 4_000
        acknowledges = False
        if isinstance(step, frozenset):
            sending_to(self.floor, *sorted(step))
        elif step == "remove":
            self.floor.begin_entry(self.floor.state.entry + 1, self.now * 10_000)
            self.floor.apply(msgspec.structs.replace(PLAN, alerts=()))
        elif step == "restart":
            parts = list(snapshot_parts(self.floor.snapshot_state()))
            self.floor = Floor(from_snapshot(parts))
        elif step == "queue":
            self.calls += 1
            self.fold(call_at("queue", self.now - 30_000, self.calls, service=10))
        elif step == "end":
            for number in range(2, self.calls + 1):
                self.fold(call_at("end", self.now, number))
        else:
            acknowledges = step == "acknowledge"
        self.send(acknowledges=acknowledges)

    def fold(self, event: InboundEvent) -> None:
        """Fold an event in its own entry."""
        self.floor.begin_entry(self.floor.state.entry + 1, self.now * 10_000)
        self.floor.fold(event, self.now * 10_000, "-")

    def send(self, *, acknowledges: bool) -> None:
        """Fold the transitions that are due, and note which webhook is sent which."""
        view, due = FloorView(self.floor), due_at(self.floor, self.now)
        if not view.alert_rules:
            due = list(clearing_transitions(view, frozenset(), self.now))
        for key, alert in view.alerts.items():
            if acknowledges and alert.status == "firing":
                due = [acknowledgement(view, key, "ann", self.now)]
        for one in due:
            event = fold_at(self.floor, one, self.now)
            assert isinstance(event, AlertEvent)
            for webhook in event.to:
                self.told[webhook].append((event.status, event.timestamp))


@settings(max_examples=tries(60), deadline=None)
@given(STEPS)
def test_every_webhook_is_sent_whole_alerts(steps: list[Step]) -> None:
    """Whatever happens, a webhook is sent an alert's begin before its end, and nothing twice.

    While an alert is not ok, each webhook of its rule knows of it. When it is ok, every webhook
    that knew of it knows that.
    """
    history = AlertHistory()
    sending_to(history.floor, "first")
    for step in steps:
        history.take(step)
        on = [one for one in history.floor.state.alerts.values() if one.status != "ok"]
        last = {name: changes[-1][0] for name, changes in history.told.items() if changes}
        for rule in history.floor.state.config.alerts if on else ():
            assert all(last.get(webhook, "ok") != "ok" for webhook in rule.to)
        assert on or set(last.values()) <= {"ok"}
    for changes in history.told.values():
        assert len(set(changes)) == len(changes)
        assert ("ok", "ok") not in pairwise(["ok", *(status for status, _ in changes)])
