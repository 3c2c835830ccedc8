"""The messages for values that an option does not accept."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from floorcast.cli.app import app
from floorcast.cli.replay import Format
from floorcast.model.wording import one_of
from floorcast.simulator.floor_sizing import MAX_AGENTS, MIN_AGENTS

SIMULATE = ("simulate", "--key", "k")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            (*SIMULATE, "--agents", "5"),
            f"'--agents': must be a whole number from {MIN_AGENTS} to {MAX_AGENTS:,}, not '5'",
        ),
        ((*SIMULATE, "--seed", "one"), "'--seed': must be a whole number, not 'one'"),
        ((*SIMULATE, "--speed", "-1"), "--speed: must be max or a number above 0, not '-1'"),
        ((*SIMULATE, "--hours", "0"), "'--hours': must be a number from 0.01 to 8,760, not '0'"),
        ((*SIMULATE, "--load", "11"), "'--load': must be a number from 0.01 to 10, not '11'"),
        (
            (*SIMULATE, "--start", "noon"),
            "'--start': must be a UTC time such as 2026-11-26T10:00:00Z, not 'noon'",
        ),
        (
            ("replay", __file__, "--key", "k", "--day", "today"),
            "'--day': must be a date such as 2026-11-26, not 'today'",
        ),
        (
            ("replay", __file__, "--key", "k", "--format", "csv"),
            f"'--format': must be {one_of(list(Format))}, not 'csv'",
        ),
        (("audit", "--last", "-1"), "'--last': must be a whole number of at least 0, not '-1'"),
        (("top", "--interval", "0"), "'--interval': must be a number from 0.5 to 3,600, not '0'"),
        (
            ("connect", "livevox", "--poll-seconds", "no"),
            "'--poll-seconds': must be a number from 0 to 3,600, not 'no'",
        ),
        (
            ("connect", "asterisk", "--metrics-port", "0"),
            "'--metrics-port': must be a whole number from 1 to 65,535, not '0'",
        ),
        (("skip-entry", "1", "two"), "'ENTRY': must be a whole number, not 'two'"),
        (("archive", "list", "--client", "x"), "'--client': must be a whole number, not 'x'"),
    ],
)
def test_message_says_which_values_are_accepted(words: tuple[str, ...], message: str) -> None:
    """It has all bounds and the given value."""
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert f"Invalid value for {message}" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("FLOORCAST_AGENTS", "5", f"a whole number from {MIN_AGENTS} to {MAX_AGENTS:,}"),
        ("FLOORCAST_START", "noon", "a UTC time such as 2026-11-26T10:00:00Z"),
    ],
)
def test_value_from_the_environment_is_explained_too(
    variable: str, value: str, expected: str
) -> None:
    """The message names the variable."""
    result = CliRunner().invoke(app, SIMULATE, env={variable: value})
    message = f"{variable} in the environment: must be {expected}, not '{value}'"
    assert message in " ".join(result.stderr.split())


def test_invalid_switch_in_the_environment_is_explained() -> None:
    """A switch is true or false."""
    result = CliRunner().invoke(app, ["top"], env={"FLOORCAST_ONCE": "maybe"})
    message = "FLOORCAST_ONCE in the environment: must be true or false, not 'maybe'"
    assert message in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["simulate"], "key"),
        (["replay", __file__], "key"),
        (["erase"], "client"),
        (["alert", "test"], "day"),
        (["user", "add", "name"], "role"),
    ],
)
def test_missing_option_is_named_with_its_variable(words: list[str], option: str) -> None:
    """The message says how to set it."""
    message = f"Missing option '--{option}'. Give it, or set FLOORCAST_{option.upper()}."
    assert message in " ".join(CliRunner().invoke(app, words).stderr.split())


def test_other_messages_are_kept() -> None:
    """A missing file is described by Typer."""
    result = CliRunner().invoke(app, ["replay", "nowhere", "--key", "k"])
    assert "file 'nowhere' does not exist" in " ".join(result.stderr.split())
