"""Tests of the page's own table of states."""

from __future__ import annotations

from playwright.sync_api import Page

from floorcast.model.states import EVENT_STATE, STATE_NAMES

TABLE = """async (events) => {
    const states = await import("/wallboard/states.js");
    return [states.NAMES, events.map(states.stateAfter), [...states.ORDER].sort((a, b) => a - b)];
}"""


def test_the_state_table_matches_the_server(scripts: Page) -> None:
    """Each event leads to the same state as on the server, and each state has a place in order."""
    names, after, order = scripts.evaluate(TABLE, list(EVENT_STATE))
    assert names == [STATE_NAMES[number] for number in sorted(STATE_NAMES)]
    assert after == [None if state is None else int(state) for state in EVENT_STATE.values()]
    assert order == list(range(1, len(names)))
