"""Tests of the dialog with the calls behind a figure."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

from playwright.sync_api import Browser

from floorcast.auth.session import ALLOWED_ROLES
from tests.real.server import Caller
from tests.real.sites import event
from tests.wallboard.floors import Floors, open_wallboard, waiting_call
from tests.wallboard.screen import Screen
from tests.wallboard.shifts import WALL_SITE

ROW = "#services tbody tr[data-id='{}']"
SERVICE = 38049
DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def opener(service: object, cell: str) -> str:
    """Return the selector of the button in a service's cell."""
    return f"{ROW.format(service)} .{cell} button"


def figures(wall: Screen) -> tuple[str, str, int]:
    """Return the dialog's title, note and number of rows."""
    wall.page.wait_for_selector("#calls[open] .scroll:not([hidden]) tbody tr")
    rows = wall.page.locator("#calls tbody tr").count()
    title, note = (wall.page.inner_text(f"#calls-{part}") for part in ("title", "note"))
    return title, note, rows


def test_figures_open_their_calls_by_mouse_and_keyboard(board: Screen, source: Caller) -> None:
    """The dialog has as many rows as the figure says. Escape returns the focus to the figure.

    The focus ring of the rows does not cross their text, which begins at the edge.
    """
    board.page.wait_for_selector("#services tbody tr")
    row = board.page.locator("#services tbody tr").first
    service = row.get_attribute("data-id")
    for cell, title in (("queue", "In queue"), ("handled", "Handled")):
        number = int(row.locator(f".{cell}").get_attribute("data-value") or "0")
        if not number:
            continue
        board.page.click(opener(service, cell))
        told, note, rows = figures(board)
        assert told.startswith(f"{title} · ")
        assert rows == number
        assert re.match(rf"{number:,} calls? at \d\d:\d\d:\d\d", note)
        board.page.keyboard.press("Escape")
        board.page.wait_for_selector("#calls", state="hidden")
    board.page.focus(opener(service, "handled"))
    board.page.keyboard.press("Enter")
    figures(board)
    scrolled = board.page.locator("#calls .scroll")
    scrolled.focus()
    assert scrolled.evaluate("(one) => parseFloat(getComputedStyle(one).outlineOffset)") >= 0
    board.page.keyboard.press("Escape")
    board.until_focused(".opens")
    assert board.errors == []


def test_a_dialog_whose_figure_is_gone_returns_the_focus_to_the_list(
    board: Screen, source: Caller
) -> None:
    """The figure's row may leave the list while its calls are shown. The focus is not lost."""
    board.page.wait_for_selector("#services tbody tr")
    services = [
        row.get_attribute("data-id") for row in board.page.locator("#services tr[data-id]").all()
    ]
    board.page.focus(opener(services[0], "handled"))
    board.page.keyboard.press("Enter")
    figures(board)
    board.page.evaluate("(id) => { location.hash = `service=${id}`; }", services[1])
    board.page.wait_for_selector(ROW.format(services[0]), state="detached")
    board.page.keyboard.press("Escape")
    board.page.wait_for_selector("#calls", state="hidden")
    board.until_focused("#services .scroll")


def test_a_dialog_without_any_figure_returns_the_focus_to_the_explanation(board: Screen) -> None:
    """If the view has no service any more, the panel's explanation gets the focus."""
    board.page.wait_for_selector("#services tbody tr")
    board.page.click("#services .handled .opens >> nth=0")
    figures(board)
    board.page.evaluate("() => { location.hash = 'service=99'; }")
    board.page.wait_for_selector("#services tbody tr", state="detached")
    board.page.keyboard.press("Escape")
    board.page.wait_for_selector("#calls", state="hidden")
    board.until_focused("#services .explanation")


def test_more_calls_are_added_page_by_page(browser: Browser, floors: Floors) -> None:
    """Each page adds up to a thousand different calls. The last page has no button for more.

    The button keeps the focus while a page is loaded. After the last page, the list has the focus.
    """
    events = [one for number in range(1, 2302) for one in waiting_call(number, SERVICE)]
    with floors.open(browser, events) as (wall, _):
        wall.page.click(opener(SERVICE, "queue"))
        assert figures(wall)[1:] == (wall.page.inner_text("#calls-note"), 1000)
        assert wall.page.inner_text("#calls-note").startswith("1,000 of 2,301 calls")
        wall.page.focus("#calls [value=more]")
        for rows, focused in ((2000, "[value=more]"), (2301, "#calls .scroll")):
            wall.page.keyboard.press("Enter")
            wall.until(f"document.querySelectorAll('#calls tbody tr').length === {rows}")
            wall.page.evaluate(DRAWN)
            wall.until_focused(focused)
        assert wall.page.is_hidden("#calls [value=more]")
        ids = wall.page.eval_on_selector_all(
            "#calls tbody tr", "rows => rows.map(r => r.dataset.id)"
        )
        assert len(set(ids)) == 2301


def test_the_table_fits_on_a_phone(browser: Browser, floors: Floors) -> None:
    """The dialog fits on the screen, and the cells are aligned with the column titles."""
    events = [one for number in range(1, 40) for one in waiting_call(number, SERVICE)]
    with floors.open(browser, events, size=(390, 844)) as (wall, _):
        wall.page.click(opener(SERVICE, "queue"))
        figures(wall)
        wide = wall.page.evaluate("""() => {
            const dialog = document.querySelector("#calls").getBoundingClientRect();
            const scroll = document.querySelector("#calls .scroll");
            const starts = (row) => [...row.children].map((c) => c.getBoundingClientRect().x);
            return {
                inside: dialog.x >= 0 && dialog.right <= innerWidth && dialog.bottom <= innerHeight,
                fits: scroll.scrollWidth <= scroll.clientWidth,
                aligned: JSON.stringify(starts(scroll.querySelector("thead tr")))
                    === JSON.stringify(starts(scroll.querySelector("tbody tr"))),
            };
        }""")
        assert wide == {"inside": True, "fits": True, "aligned": True}


AGENT = '{id = 77001, login = "NYOUNG", name = "Nadia Youngblood"}'
BROKEN = """() => [...document.querySelectorAll("#calls tbody td")].filter((cell) => {
    const range = document.createRange();
    range.selectNodeContents(cell);
    return new Set([...range.getClientRects()].map(({ top }) => top)).size > 1;
}).map((cell) => cell.textContent)"""


def test_numbers_and_names_stay_on_one_line(browser: Browser, tmp_path: Path) -> None:
    """An agent is shown by name. No number and, on a wide screen, no name is broken."""
    site = WALL_SITE.replace("agent = [", f"agent = [{AGENT},", 1)
    call = {"transactionId": 1, "sessionId": "S1"}
    who = {"callerId": "+12125550182", "account": "4000123456789012"}
    events = [
        event("agent.state", "a1", agent="NYOUNG", service=SERVICE, eventType="READY"),
        *waiting_call(1, SERVICE, **who),
        event("call.answer", "b1", **call, agent="NYOUNG", service=SERVICE),
        event("call.end", "c1", **call),
        event("call.disposition", "d1", **call, termCode="Promise to pay"),
    ]
    with open_wallboard(tmp_path, browser, events, site=site) as (wall, _):
        wall.until_text("#agents tbody", "Nadia Youngblood")
        for width in (1440, 390):
            wall.page.set_viewport_size({"width": width, "height": 844})
            wall.page.click(opener(SERVICE, "level"))
            figures(wall)
            cells = wall.texts("#calls tbody td")
            assert "Nadia Youngblood" in cells
            broken = set(wall.page.evaluate(BROKEN))
            assert broken <= (set() if width > 1000 else {"Nadia Youngblood"})
            inside = "(one) => one.scrollWidth <= one.clientWidth"
            assert wall.page.locator("#calls .scroll").evaluate(inside)
            wall.page.keyboard.press("Escape")


def test_figures_are_not_buttons_without_permission(wall: Screen) -> None:
    """Roles that may not see call data have no buttons. Neither do screens (``test_session``)."""
    wall.sign_in(user="manager")
    wall.page.wait_for_selector("#services tbody tr")
    assert wall.page.locator("#services tbody button").count() == 0


def test_page_and_server_agree_on_roles_for_call_data() -> None:
    """The page's list of roles equals the server's list."""
    script = files("floorcast.wallboard").joinpath("page/calls_dialog.js").read_text("utf-8")
    listed = re.search(r"ROLES = (\[[^\]]*\])", script)
    assert listed is not None
    assert tuple(json.loads(listed[1])) == ALLOWED_ROLES["call data"]
