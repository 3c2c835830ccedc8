"""Tests of the page's own table of states."""

from __future__ import annotations

from floorcast.model.states import EVENT_STATE, STATE_NAMES
from tests.wallboard.screen import Screen

TABLE = """async (events) => {
    const states = await import("/wallboard/states.js");
    return [states.NAMES, events.map(states.stateAfter), [...states.ORDER].sort((a, b) => a - b)];
}"""


def test_the_state_table_matches_the_server(wall: Screen) -> None:
    """Each event leads to the same state as on the server, and each state has a place in order."""
    wall.open()
    names, after, order = wall.page.evaluate(TABLE, list(EVENT_STATE))
    assert names == [STATE_NAMES[number] for number in sorted(STATE_NAMES)]
    assert after == [None if state is None else int(state) for state in EVENT_STATE.values()]
    assert order == list(range(1, len(names)))
