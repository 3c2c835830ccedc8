"""Tests that the page shows the API's figures."""

from __future__ import annotations

from tests.wallboard.screen import Screen


def test_figures_match_the_api_at_the_same_token(wall: Screen) -> None:
    """Each panel shows the figures of the API's response with the same token.

    The panels are services, waiting calls, live connects and campaigns.
    """
    wall.record()
    wall.sign_in()
    wall.until("document.querySelectorAll('#campaigns tbody tr').length === 3")
    wall.until("document.querySelectorAll('#services tbody tr').length === 5")
    token, shown = wall.token("services"), wall.rows("services")
    stats = wall.response("/realtime/service/stats", token)["stats"]
    members = ["serviceLevel", "totalCallsInQueue", "longestCallInQueue", "abandonRate"]
    members += ["averageSpeedOfAnswer", "totalHandled", "totalOffered", "totalAgents"]
    assert {number: row[:-1] for number, row in shown.items()} == {
        one["serviceId"]: [one["serviceName"], *(f"{one[name]:g}" for name in members)]
        for one in stats
    }
    assert sum(one["totalCallsInQueue"] for one in stats) == 9

    token, waiting = wall.token("waiting"), list(wall.rows("waiting").values())
    calls = wall.response("/realtime/service/calls/status", token)["callsDetails"]
    assert [[one["serviceName"], one["phone"], one["timeStamp"]] for one in calls] == waiting

    token = wall.token("connects-chart")
    connects = wall.response("/realtime/service/liveConnects", token)["liveConnects"]
    told = wall.page.get_attribute("#connects-chart .plot", "aria-label") or ""
    totals = [part.split()[-1] for part in told.split(": ", 1)[1].split(", ")]
    assert totals == [one["total"] for one in connects]
    assert int(connects[3]["total"]) > 0

    shown = wall.rows("campaigns")
    campaigns = wall.response("/realtime/campaign/stats", wall.token("campaigns"))["stats"]
    assert list(shown) == [str(one["campaignId"]) for one in campaigns]
    assert "27.9% 11,150 of 40,000" in shown["7001"][1]
    # a line may break only after a separator
    zones = shown["7001"][2].replace("\N{NO-BREAK SPACE}", "_")
    assert zones == "ET_12,400_· CT_8,100_· PT_6,050_· MT_2,300"
    assert "loading" in shown["7003"][1]


def test_a_keyboard_user_can_skip_the_figures(wall: Screen) -> None:
    """A button that only the keyboard's focus shows leads past the services' many buttons."""
    wall.sign_in()
    wall.page.wait_for_selector("#agents tbody tr[data-login]")
    skip = wall.page.locator("#skip-services")
    shown = "(one) => one.getBoundingClientRect().width > 40"
    assert not skip.evaluate(shown)
    wall.page.focus("#show-intervals")
    wall.page.keyboard.press("Tab")
    wall.until_focused("#skip-services")
    assert skip.evaluate(shown)
    wall.page.keyboard.press("Enter")
    wall.until_focused("#agents [type=search]")
    assert wall.errors == []
