"""Tests of the buttons that filter the agents by state."""

from __future__ import annotations

from playwright.sync_api import Browser

from tests.real.sites import event, ndjson
from tests.wallboard.floors import Floors, waiting_call

READY, NOT_READY = (f"#agents .states [data-state='{number}']" for number in (2, 3))


def test_a_button_with_the_focus_stays(browser: Browser, floors: Floors) -> None:
    """A state without agents has no button, except while the button has the focus."""
    one = {"agent": "ANN", "service": 38049}
    events = [*waiting_call(1, 38049), event("agent.state", "a", **one, eventType="NOT_READY")]
    with floors.open(browser, events) as (wall, source):
        wall.page.focus(NOT_READY)
        source.take(ndjson([event("agent.state", "b", **one, eventType="READY")]))
        wall.page.wait_for_selector(READY)
        wall.page.evaluate("new Promise(requestAnimationFrame)")
        assert wall.page.evaluate("(one) => document.activeElement.matches(one)", NOT_READY)
        assert wall.page.inner_text(NOT_READY) == "Not Ready 0"
        wall.page.focus(READY)
        wall.pass_time(1)
        wall.page.locator(NOT_READY).wait_for(state="hidden")
