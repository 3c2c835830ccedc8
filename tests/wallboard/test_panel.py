"""Tests of a panel whose content is replaced by an explanation, and returns."""

from __future__ import annotations

from playwright.sync_api import Browser

from tests.real.sites import event, ndjson
from tests.wallboard.floors import Floors, waiting_call

FOCUS = "[document.activeElement.matches('#agents input'), document.activeElement.textContent]"
MARKED = "(({ selectionStart, selectionEnd }) => [selectionStart, selectionEnd])"


def test_the_focus_moves_to_the_explanation_and_back(browser: Browser, floors: Floors) -> None:
    """A search keeps its text and selection while nobody is logged in."""

    def tell(number: int, kind: str) -> bytes:
        return ndjson([event("agent.state", number, agent="ANN", service=38049, eventType=kind)])

    with floors.open(browser, waiting_call(1, 38049)) as (wall, source):
        source.take(tell(1, "READY"))
        wall.page.wait_for_selector("#agents [data-login=ANN]")
        wall.page.fill("#agents input", "ann ready")
        wall.page.eval_on_selector("#agents input", "(one) => one.setSelectionRange(4, 9)")
        source.take(tell(2, "LOGOFF"))
        wall.until_text("#agents .explanation", "Nobody is logged in.")
        assert wall.page.evaluate(FOCUS) == [False, "Nobody is logged in."]
        source.take(tell(3, "READY"))
        wall.page.wait_for_selector("#agents [data-login=ANN]")
        assert wall.page.evaluate(FOCUS) == [True, ""]
        assert wall.page.eval_on_selector("#agents input", MARKED) == [4, 9]


def test_a_scrolled_list_keeps_the_focus(browser: Browser, floors: Floors) -> None:
    """A list without rows passes the focus to its explanation, which keeps it until there are rows.

    It does not lose the focus to every response, which a screen reader would read.
    """
    with floors.open(browser, waiting_call(1, 38049)) as (wall, source):
        wall.page.wait_for_selector("#waiting tbody tr")
        wall.page.focus("#waiting .scroll")
        end = event("call.end", "end 1", transactionId=1, sessionId="S1")
        source.take(ndjson([end]))
        wall.until_text("#waiting .explanation", "No calls are waiting.")
        about = "document.activeElement.textContent"
        assert wall.page.evaluate(about) == "No calls are waiting."
        moves = "() => { globalThis.moves = 0; addEventListener('focusin', () => moves++, true); }"
        wall.page.evaluate(moves)
        for _ in range(2):
            with wall.page.expect_response("**/calls/status"):
                wall.pass_time(4)
            wall.page.evaluate("new Promise(requestAnimationFrame)")
        assert wall.page.evaluate(f"[moves, {about}]") == [0, "No calls are waiting."]
        source.take(ndjson(waiting_call(2, 38049)))
        wall.page.wait_for_selector("#waiting tbody tr")
        wall.until_focused("#waiting .scroll")
        assert wall.errors == []
