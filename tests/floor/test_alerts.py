"""Tests of alerts against a plain model."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from floorcast.floor.alerts import Alert, Rule, Transition, acknowledge, follow, propose

RULES = st.builds(
    lambda threshold, gap, above, hold, calls: Rule(
        threshold=threshold,
        clear=threshold - gap if above else threshold + gap,
        above=above,
        hold_ms=hold * 1000,
        min_calls=calls,
    ),
    st.integers(0, 10), st.integers(0, 5), st.booleans(), st.integers(0, 4), st.integers(0, 2),
)  # fmt: skip
FIGURES = st.lists(
    st.tuples(st.none() | st.integers(-6, 16), st.integers(0, 3), st.integers(1, 3)), max_size=40
)


def model(rule: Rule, figures: list[tuple[int | None, int, int]]) -> list[tuple[str, int]]:
    """The transitions, from runs of moments at which the figure was beyond the threshold."""
    found: list[tuple[str, int]] = []
    run: int | None = None
    on = False
    now = 0
    sign = 1 if rule.above else -1
    for value, calls, step in figures:
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
                if rule.hold_ms:
                    found.append(("pending", now))
            if now - run >= rule.hold_ms:
                found.append(("firing", now))
                on = True
        elif run is not None:
            found.append(("ok", now))
            run = None
    return found


@given(RULES, FIGURES)
def test_any_history_gives_the_transitions_of_the_model(
    rule: Rule, figures: list[tuple[int | None, int, int]]
) -> None:
    """Two nodes propose at each moment, and each transition is applied once."""
    alert, now = Alert(), 0
    log: list[Transition] = []
    for value, calls, step in figures:
        now += step * 1000
        both = [propose(rule, alert, value, calls=calls, now=now) for _ in range(2)]
        for proposed in both:
            if proposed is not None:
                log.append(proposed)
                alert = follow(alert, proposed)
    applied, again = [], Alert()
    for transition in log:
        after = follow(again, transition)
        if after is not again:
            applied.append((after.status, after.since))
        again = after
    assert again == alert
    assert applied == model(rule, figures)


def test_a_firing_alert_is_acknowledged_once() -> None:
    """The state names the user; it is over when the figure is back, and only then."""
    rule = Rule(threshold=120, clear=60)
    fired = propose(rule, Alert(), 121, calls=0, now=1000)
    assert fired is not None
    firing = follow(Alert(), fired)
    taken = acknowledge(firing, user=7, now=2000)
    assert taken is not None
    known = follow(firing, taken)
    assert (known.status, known.acknowledged_by, known.since) == ("acknowledged", 7, 2000)
    assert acknowledge(known, user=8, now=3000) is None
    assert propose(rule, known, 61, calls=0, now=4000) is None
    over = propose(rule, known, 60, calls=0, now=5000)
    assert over is not None
    assert follow(known, over).acknowledged_by is None
