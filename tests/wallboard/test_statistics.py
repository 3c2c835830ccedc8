"""How the page asks for figures."""

from __future__ import annotations

from floorcast.token import encode
from tests.wallboard.screen import Screen

ASK = """async (tokens) => {
    const {Statistics} = await import("/wallboard/statistics.js");
    const shown = [];
    return await new Promise((resolve) => {
        const session = {ask: async () => ({body: tokens.length, token: tokens.shift()})};
        const figures = {path: "/", every: 0, show: (_, token) => shown.push(token)};
        const onRound = () => tokens.length ? statistics.nudge() : resolve(shown);
        const statistics = new Statistics(session, [figures], {onTrouble: resolve, onRound});
        statistics.start();
    });
}"""


def test_an_answer_that_is_older_than_what_is_shown_is_not_shown(wall: Screen) -> None:
    """As one from another node of a cluster may be: no figure goes back."""
    first, second, third = (encode(5, tick * 10**7, 0) for tick in (10**9, 10**9 + 1, 10**9 + 2))
    wall.open()
    assert wall.page.evaluate(ASK, [second, first, third]) == [second, third]
