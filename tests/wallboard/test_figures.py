"""Tests of formatted figures."""

from __future__ import annotations

from playwright.sync_api import Page

WRITTEN = """async () => {
    const {count, duration, percent, plural, spoken} = await import("/wallboard/figures.js");
    return [
        [0, 59.9, 60, 3599, 3600, 90061, -5].map(duration),
        [0, 59.9, 61, 3599, 7260].map(spoken),
        [0, 66.67, 99.95, 100, 12.04].map(percent),
        [0, 999, 1234567].map(count),
        [0, 1, 2000].map((number) => plural(number, "call")),
    ];
}"""


def test_figures_are_formatted_for_people(scripts: Page) -> None:
    """Durations have suitable units, percentages have one decimal, and numbers have separators."""
    assert scripts.evaluate(WRITTEN) == [
        ["0:00", "0:59", "1:00", "59:59", "1:00:00", "25:01:01", "0:00"],
        ["0 s", "59 s", "1 min", "59 min", "2 h 1 min"],
        ["0.0%", "66.7%", "100.0%", "100.0%", "12.0%"],
        ["0", "999", "1,234,567"],
        ["0 calls", "1 call", "2,000 calls"],
    ]


RATES = """async () => {
    const { callsInRates } = await import("/wallboard/figures.js");
    const of = (handled, abandoned, within, asa, rate, level) => callsInRates({
        totalHandled: handled, totalAbandoned: abandoned, totalCallsAnsweredWithinSLA: within,
        averageSpeedOfAnswer: asa, abandonRate: rate, serviceLevel: level,
    });
    return [
        of(0, 0, 0, 0, 0, 0),  // a day that has just begun
        of(135, 0, 0, 0, 0, 0),  // agents who only call out
        of(1511, 726, 900, 135, 32.45, 50.0),
        of(40, 0, 30, 12, 0, 75.0),
        of(3, 0, 0, 90, 0, 0),  // all of them waited too long
    ];
}"""


def test_rates_exclude_agents_own_outbound_calls(scripts: Page) -> None:
    """Agents' own outbound calls are handled, but do not count in service levels and rates."""
    assert scripts.evaluate(RATES) == [0, 0, 2237, 40, 3]
