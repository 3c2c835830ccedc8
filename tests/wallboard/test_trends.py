"""Tests of each service's queue over the last half hour, as seen by the page."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.wallboard.screen import Screen

FILL = """async (samples) => {
    const { Trends } = await import("/wallboard/trends.js");
    sessionStorage.clear();
    const one = new Trends("ACME");
    const rows = (waiting) => waiting.map((calls, id) =>
        ({ serviceId: String(id), totalCallsInQueue: calls }));
    for (const [at, waiting] of samples) one.add(at, rows(waiting));
    const past = one.pastOf(rows(samples.at(-1)[1]));
    return [one.of("0"), one.of("7"), new Trends("ACME").of("0"), new Trends("OTHER").of("0"),
        past.columns(samples.at(-1)[0])];
}"""
MINUTE, STEPS = 60, 30


def test_a_trend_has_each_minutes_maximum_after_a_reload(scripts: Page) -> None:
    """A minute without data is a gap. Another user's history is not used."""
    began = 1_795_000_020
    samples = [(began + 20 * index, [index % 7, 1]) for index in range(40 * 3) if index % 30 > 2]
    own, unknown, again, others, past = scripts.evaluate(FILL, samples)
    most: dict[int, int] = {}
    for at, (waiting, _) in samples:
        most[at // MINUTE] = max(most.get(at // MINUTE, 0), waiting)
    last = max(most)
    assert own == [most.get(last - STEPS + 1 + index) for index in range(STEPS)]
    assert None in own
    assert again[-2] == own[-2]
    assert set(unknown) == set(others) == {None}
    assert past[0][-1] == samples[-1][0]
    assert past[1][-1] == sum(samples[-1][1])


def test_each_service_has_a_line_and_a_text_alternative(wall: Screen) -> None:
    """Screen readers get the current value and the peak."""
    wall.sign_in()
    wall.page.wait_for_selector("#services tbody tr .trend svg")
    wall.until(
        """[...document.querySelectorAll("#services tbody tr")].every((row) =>
        row.querySelector(".trend svg").getAttribute("aria-label").startsWith(
            `In queue, last 30 minutes: now ${row.cells[2].innerText.trim()}, peak `))"""
    )


FILL_PAST = """async ([intervals, timeStamp, at]) => {
    const { Past } = await import("/wallboard/history.js");
    const { Trends } = await import("/wallboard/trends.js");
    sessionStorage.clear();
    const one = new Trends("ACME");
    one.add(at, [9, 0].map((calls, index) =>
        ({ serviceId: String(index + 1), totalCallsInQueue: calls })));
    one.fill(new Past({ intervals, timeStamp }));
    return [one.of("1"), one.of("2")];
}"""


def test_the_history_is_complete_at_the_first_sign_in(scripts: Page) -> None:
    """Each minute has its interval's maximum. A service without a row has had no waiting calls."""
    end = 1_795_000_200 + STEPS * MINUTE
    rows = [
        {"serviceId": "1", "start": at * 1000, "end": (at + 300) * 1000, "queueMax": n}
        for n, at in enumerate(range(1_795_000_200, end, 300))
    ]
    own, other = scripts.evaluate(FILL_PAST, [rows, end * 1000, end])
    assert own == [*[n for n in range(6) for _ in range(5)][1:], 9]
    assert other == [0] * STEPS
