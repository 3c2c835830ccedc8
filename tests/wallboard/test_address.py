"""Tests of the address, which selects the view, its services and the wall mode."""

from __future__ import annotations

from playwright.sync_api import Page, Route

from tests.wallboard.screen import Screen

READ = """async (hash) => {
    const { filterOf, shows, view } = await import("/wallboard/address.js");
    history.replaceState(null, "", hash);
    const found = view();
    return [found.isWall, [...found.services], [...found.callCenters], filterOf(found),
        shows(found, 1, "9"), shows(found, "3", null), shows(found, 7, "2"), location.hash];
}"""
NAMES = "#services tbody .name"


def test_the_address_selects_the_view(scripts: Page) -> None:
    """Ids in the address select services or call centers. Without ids, all services are shown."""
    both = scripts.evaluate(READ, "#wall&service=1,x,4&callCenter=2")
    services = [{"id": "1"}, {"id": "4"}]
    wanted = {"service": services, "callCenter": [{"id": "2"}]}
    assert both[:4] == [True, ["1", "4"], ["2"], wanted]
    assert both[4:7] == [True, False, True]
    assert scripts.evaluate(READ, "#")[:7] == [False, [], [], None, True, True, True]


def test_a_selected_view_applies_to_every_panel(wall: Screen) -> None:
    """Every panel shows only the data of the selected call center."""
    wall.sign_in()
    wall.page.wait_for_selector("#campaigns tbody tr")
    wall.page.click("#show-view")
    wall.page.check("#view-call-centers [value='1700']")
    wall.page.keyboard.press("Escape")
    assert wall.page.evaluate("location.hash") == "#callCenter=1700"
    south = {"Help", "Collections", "Français"}
    assert set(wall.texts(NAMES)) == south
    wall.page.reload()
    wall.page.wait_for_selector("#campaigns tbody tr")
    wall.page.wait_for_selector("#agents [data-login]")
    assert set(wall.texts(NAMES)) == south
    assert {row[3] for row in wall.rows("agents").values()} <= south
    wall.until("document.querySelectorAll('#campaigns tbody tr').length === 2")
    assert set(wall.rows("campaigns")) == {"7002", "7003"}
    assert {row[0] for row in wall.rows("waiting").values()} <= south
    assert wall.page.inner_text("#board-view") == "· South"
    wall.page.click("#show-view")
    wall.page.click("#view [value=all]")
    wall.page.keyboard.press("Escape")
    assert wall.page.evaluate("location.hash") == ""
    assert len(wall.texts(NAMES)) == 5


def test_agents_of_a_call_center_are_shown_with_its_services(wall: Screen) -> None:
    """The agents may be known first. They appear as soon as the services' call centers are."""
    wall.record()
    requests: list[Route] = []

    def hold(route: Route) -> None:
        requests.append(route)

    wall.page.route("**/realtime/service/stats", hold)
    with wall.page.expect_response("**/realtime/service/agents/status"):
        wall.sign_in(view="#callCenter=1700")
    wall.until_true(lambda: requests, "the services are requested")
    wall.page.route("**/realtime/service/agents/status", lambda route: route.abort())
    requests[0].continue_()
    wall.page.wait_for_selector("#agents [data-login]")
    assert sum("agents/status" in url for url in wall.requested_urls) == 1


def test_a_view_of_unknown_services_explains_itself(wall: Screen) -> None:
    """If no service of the view exists, as in an old bookmark, the board says so."""
    wall.sign_in(view="#service=99")
    wall.until_text("#services .explanation", "No service in this view")
    wall.until_text("#connects-chart .explanation", "there is no such service")
    wall.until_current()
