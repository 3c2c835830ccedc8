"""Tests of the display of a command's progress."""

from __future__ import annotations

import pytest

from floorcast.cli.progress_bar import ITEMS_PER_LINE, NoProgress, show_progress


def test_progress_is_printed_every_ten_percent_without_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Plain lines on standard error show each tenth of the progress and the reason for a wait."""
    with show_progress(1_000) as progress:
        for sent in (50, 100, 150, 420, 1_000):
            progress.update(sent)
        progress.report_wait(2.5, "503: too busy [later]")
        progress.report_wait(0.02, "503: too busy")
        progress.report_recovery(2.52)
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.splitlines() == [
        "100 of 1000 events",
        "420 of 1000 events",
        "1000 of 1000 events",
        "503: too busy [later]; trying again in 3 s",
        "503: too busy; trying again in 1 s",
        "the server responds again after 3 s",
    ]


def test_progress_without_lines_is_shown_only_on_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A short command prints only its result to a log."""
    with show_progress(10, lines=False) as progress:
        progress.update(10)
        progress.report_wait(1.0, "busy")
    assert capsys.readouterr() == ("", "")


def test_endless_progress_is_printed_at_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    """A line with the state appears at regular intervals."""
    with show_progress(None, "minutes of the floor") as progress:
        for reached in (1, ITEMS_PER_LINE - 1, ITEMS_PER_LINE + 5, 3 * ITEMS_PER_LINE):
            progress.update(reached, f"{reached} min simulated")
    assert capsys.readouterr().err.splitlines() == [
        f"{ITEMS_PER_LINE + 5} min simulated",
        f"{3 * ITEMS_PER_LINE} min simulated",
    ]


def test_progress_is_a_bar_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bar is drawn in place, with the reason for a wait next to it."""
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    with show_progress(10) as progress:
        progress.update(4)
        progress.report_wait(1.0, "503: too busy [later]")
    found = capsys.readouterr().err
    assert " 4/10" in found
    assert "503: too busy [later]; trying again in 1 s" in found


def test_endless_progress_has_no_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a total, only the state is shown, and no question mark."""
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    monkeypatch.setenv("TERM", "xterm")
    with show_progress(None, "minutes of the floor") as progress:
        progress.update(0, "3 s simulated, 12 events sent")
    found = capsys.readouterr().err
    assert "3 s simulated, 12 events sent" in found
    assert "?" not in found.replace("\x1b[?25", "")


def test_silent_progress_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """This is the library's default."""
    silent = NoProgress()
    silent.update(1)
    silent.report_wait(1.0, "busy")
    silent.report_recovery(1.0)
    assert capsys.readouterr() == ("", "")
