"""Tests of the page's requests for figures."""

from __future__ import annotations

from playwright.sync_api import Page

from floorcast.model.token import encode
from tests.wallboard.screen import Screen

ASK = """async (tokens) => {
    const {Statistics} = await import("/wallboard/statistics.js");
    const shown = [];
    return await new Promise((resolve) => {
        const session = {ask: async () => ({body: tokens.length, token: tokens.shift()})};
        const figures = {path: "/", every: 0, show: ({ token }) => shown.push(token)};
        const onRound = () => tokens.length ? statistics.nudge() : resolve(shown);
        const statistics = new Statistics(session, [figures], {onTrouble: resolve, onRound});
        statistics.start();
    });
}"""
PACE = """async (pace) => {
    const {Statistics} = await import("/wallboard/statistics.js");
    window.asked = 0;
    const ask = async () => {
        window.asked += 1;
        return {body: "", token: "00000000-0000-1000-8000-000000000000", pace};
    };
    const onRound = () => window.statistics.nudge();
    const figures = {path: "/", every: 0, show: () => {}};
    window.statistics = new Statistics({ask}, [figures], {onTrouble: reportError, onRound});
    window.statistics.start();
}"""


def test_an_outdated_response_is_ignored(scripts: Page) -> None:
    """The page ignores an older response, which another node of a cluster may send."""
    first, second, third = (encode(5, tick * 10**7, 0) for tick in (10**9, 10**9 + 1, 10**9 + 2))
    assert scripts.evaluate(ASK, [second, first, third]) == [second, third]


def test_the_page_respects_the_rate_limit(wall: Screen) -> None:
    """The page spreads the remaining requests, three per round, over the rest of the minute."""
    wall.page.clock.install()
    wall.open()
    wall.page.clock.pause_at("2035-01-01")
    wall.page.evaluate(PACE, 4)
    for rounds in (1, 2, 3):
        wall.page.clock.run_for(1)
        wall.until(f"window.asked === {rounds}")
        wall.page.clock.run_for(11_900)
        assert wall.page.evaluate("window.asked") == rounds
        wall.page.clock.run_for(99)
    assert wall.errors == []
