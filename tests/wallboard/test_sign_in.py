"""Tests of signing in and out, of failures, and of renewed sessions."""

from __future__ import annotations

import httpx
from playwright.sync_api import Route

from floorcast.cli.demo_floor import SIGN_IN
from tests.real.server import Server
from tests.wallboard.screen import Screen

KEPT = "JSON.parse(sessionStorage.getItem('floorcast.session')).id"
FORM = "#sign-in:not([hidden])"


def end(server: Server, session: str) -> None:
    """End a session outside the page, as a changed password would."""
    answer = httpx.delete(f"{server.url}/session/logout/{session}", trust_env=False, verify=False)
    assert answer.status_code == 204


def held_back(wall: Screen, path: str) -> list[Route]:
    """Return the page's requests for a path, to which the test responds."""
    requests: list[Route] = []

    def hold(route: Route) -> None:
        requests.append(route)

    wall.page.route(path, hold)
    return requests


def test_a_failed_sign_in_is_explained(wall: Screen) -> None:
    """A message explains the error, the form keeps the input, and the board stays hidden."""
    wall.open()
    wall.fill(password="wrong horse")
    wall.until_text("#sign-in-failure", "The user or the password is wrong.")
    assert wall.page.is_hidden("#board")
    assert wall.page.input_value("[name=userName]") == "sysadmin"
    wall.page.context.set_offline(True)
    wall.page.click("#sign-in button")
    wall.until_text("#sign-in-failure", "No response from 127.0.0.1")
    wall.page.context.set_offline(False)
    wall.fill()
    wall.page.wait_for_selector("#services tbody tr")
    assert (
        wall.page.input_value("[name=password]") == wall.page.input_value("[name=apiToken]") == ""
    )


def test_a_failed_sign_in_keeps_the_focus(wall: Screen) -> None:
    """The button keeps the focus while the server responds, and sends only one request."""
    wall.open()
    requests = held_back(wall, "**/session/login*")
    for name in ("clientName", "userName", "password", "apiToken"):
        wall.page.fill(f"[name={name}]", "any")
    wall.page.focus("#sign-in button")
    wall.page.keyboard.press("Enter")
    wall.page.keyboard.press("Enter")
    wall.until_true(lambda: requests, "the page signs in")
    wall.page.evaluate("new Promise(requestAnimationFrame)")
    assert wall.page.evaluate("document.activeElement.textContent") == "Sign in"
    requests[0].fulfill(status=502)
    wall.until_text("#sign-in-failure", "The server cannot sign you in yet: 502")
    assert wall.page.evaluate("document.activeElement.textContent") == "Sign in"
    assert len(requests) == 1


def test_late_values_do_not_move_the_focus(wall: Screen) -> None:
    """What is typed before the demo's values arrive stays in one field."""
    requests = held_back(wall, "**/sign-in.json")
    wall.open()
    wall.until("document.activeElement.name === 'clientName'")
    wall.page.keyboard.type("OTH")
    wall.until_true(lambda: requests, "the page requests the values")
    requests[0].fulfill(json=SIGN_IN)
    wall.until("document.querySelector('[name=apiToken]').value")
    wall.page.keyboard.type("ER")
    assert wall.page.input_value("[name=clientName]") == "OTHER"


def test_a_token_with_invalid_characters_is_wrong(wall: Screen) -> None:
    """The message says that the input is wrong, and not that the server cannot be reached."""
    wall.open()
    for name in ("clientName", "userName", "password", "apiToken"):
        wall.page.fill(f"[name={name}]", "ключ")
    wall.page.click("#sign-in button")
    wall.until_text("#sign-in-failure", "The client or the API token is wrong.")


FROM_PROXIES = [
    (200, "<html>Please accept our terms", "No response from 127.0.0.1"),
    (502, "<html>Bad gateway", "The server cannot sign you in yet: 502"),
    (404, '{"error": "route"}', "The server responded: 404"),
    (502, "null", "The server cannot sign you in yet: 502"),
]


def test_responses_from_proxies_are_reported(wall: Screen) -> None:
    """A message reports the response of a proxy or of a network's login page."""
    wall.open()
    responses = iter(FROM_PROXIES)

    def respond(route: Route) -> None:
        status, said, _ = next(responses)
        route.fulfill(status=status, body=said)

    wall.page.route("**/session/login*", respond)
    for _, _, shown in FROM_PROXIES:
        wall.fill()
        wall.until_text("#sign-in-failure", shown)


def test_an_ended_session_is_renewed_automatically(wall: Screen, floor: Server) -> None:
    """A page that knows the password renews its session. A reloaded page asks for the password."""
    wall.page.clock.install()
    wall.sign_in(user="manager")
    first = wall.page.evaluate(KEPT)
    end(floor, first)
    wall.pass_time(5)
    wall.until(f"{KEPT} !== '{first}'")
    token = wall.token("services")
    wall.until_later(f"document.getElementById('services').dataset.feedToken !== '{token}'")
    assert wall.page.is_hidden("#sign-in")

    wall.page.reload()
    wall.page.wait_for_selector("#services tbody tr")
    wall.page.click("#show-view")
    end(floor, wall.page.evaluate(KEPT))
    wall.pass_time(5)
    wall.page.wait_for_selector(FORM)
    assert wall.page.is_hidden("#view"), "a dialog covers the form"
    wall.until_text("#sign-in-why", "Your session has ended")
    assert wall.page.input_value("[name=userName]") == "manager"
    wall.fill(user="manager")
    wall.page.wait_for_selector("#board:not([hidden])")


def test_signing_out_ends_the_session_and_clears_the_page(wall: Screen, floor: Server) -> None:
    """After signing out, the page has no figures, and the session is no longer valid."""
    wall.sign_in(user="manager")
    wall.page.wait_for_selector("#services tbody tr")
    session = wall.page.evaluate(KEPT)
    wall.page.click("#sign-out")
    wall.page.wait_for_selector(FORM)
    assert wall.page.locator("#services tbody tr").count() == 0
    answer = httpx.get(f"{floor.url}/session/validate/{session}", trust_env=False, verify=False)
    assert answer.status_code == 404


def test_the_next_user_sees_no_data_of_the_previous_user(wall: Screen, floor: Server) -> None:
    """After the manager, an auditor sees none of the manager's data, even in hidden elements."""
    wall.page.clock.install()
    wall.sign_in(user="manager")
    wall.page.wait_for_selector("#agents [data-login]")
    wall.page.reload()
    wall.page.wait_for_selector("#services tbody tr")
    end(floor, wall.page.evaluate(KEPT))
    wall.pass_time(5)
    wall.page.wait_for_selector(FORM)
    wall.fill(user="auditor")
    wall.page.wait_for_selector("#campaigns tbody tr")
    wall.until_text("#agents .explanation", "The role Auditor")
    assert "Sales" not in wall.page.inner_text("#services")
    assert wall.page.locator("#services tbody tr, #agents [data-login]").count() == 0
    assert set(wall.texts("#glance .value")) == {"\N{EN DASH}"}


def test_another_user_in_another_tab_does_not_mix_floors(wall: Screen) -> None:
    """The tabs share the cookie for streams, so the first tab's user has to sign in again."""
    other = Screen(wall.page.context, wall.url)
    other.open()
    other.page.wait_for_selector(FORM)
    wall.sign_in()
    other.fill(client="STRANGER", user="sysadmin")
    other.page.wait_for_selector("#board:not([hidden])")
    wall.until_text("#sign-in-why", "another session in another tab")
    assert wall.page.is_hidden("#board")


def test_the_form_explains_api_tokens_and_has_the_demo_values(
    wall: Screen,
) -> None:
    """The form is filled in only on the demo's server, and is empty on other servers."""
    wall.open()
    wall.page.click("#api-token-help summary")
    wall.until_text("#api-token-help", "floorcast key new --api-token")
    assert wall.page.input_value("[name=apiToken]") == ""
    wall.page.route("**/sign-in.json", lambda route: route.fulfill(json=SIGN_IN))
    wall.page.reload()
    wall.until("document.activeElement.textContent === 'Sign in'")
    for name, value in SIGN_IN.items():
        assert wall.page.input_value(f"[name={name}]") == value
