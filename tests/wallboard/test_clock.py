"""Tests of the server's time on the page."""

from __future__ import annotations

from tests.wallboard.screen import Screen

HEAR = """async (told) => {
    const clock = await import("/wallboard/clock.js");
    const before = clock.now();
    if (told !== null) clock.hear(told);
    return [clock.now() - before, clock.now(), clock.isStale()];
}"""


def test_the_clock_stops_after_a_while_without_responses(wall: Screen) -> None:
    """The time stops without responses, and decreases only if the server's clock is set back."""
    told = 1_795_000_000_000
    wall.page.clock.install()
    wall.open()
    wall.page.clock.pause_at("2035-01-01")
    assert wall.page.evaluate(HEAR, None)[2] is True
    assert wall.page.evaluate(HEAR, told)[1:] == [told, False]
    wall.pass_time(4)
    assert wall.page.evaluate(HEAR, None)[1:] == [told + 4_000, False]
    assert wall.page.evaluate(HEAR, told + 3_500)[:2] == [0, told + 4_000]
    wall.pass_time(60)
    assert wall.page.evaluate(HEAR, None)[1:] == [told + 16_000, True]
    assert wall.page.evaluate(HEAR, told - 3_600_000)[1:] == [told - 3_600_000, False]
