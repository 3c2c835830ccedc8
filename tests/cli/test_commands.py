"""Tests that a command's modules are imported only when the command runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer
from typer.testing import CliRunner

from floorcast.cli.app import app
from floorcast.cli.commands import SUMMARIES
from tests.real.server import environment

GROUP = typer.main.get_group(app)

LIGHT = {
    *("annotated_doc", "annotated_types", "click", "pydantic", "pydantic_core", "shellingham"),
    *("typer", "typing_extensions", "typing_inspection"),  # like those above, Typer and its parts
    "msgspec",  # the settings need it
    *("floorcast.cli", "floorcast.config", "floorcast.model", "floorcast.site"),
    "floorcast.simulator",  # only the floor's sizes; the simulation needs SimPy
}
EVERY_HELP = """
import sys

seen, found = {*sys.modules}, {}  # the environment may import modules into every process

import json
import typer
from floorcast.cli.app import app

def show(words, command):
    try:
        app([*words, "--help"], prog_name="floorcast", standalone_mode=False)
    finally:
        found[" ".join(words)] = sorted({*sys.modules} - seen)
        seen.update(sys.modules)
    for name, part in getattr(command, "commands", {}).items():
        show([*words, name], part)

show([], typer.main.get_group(app))
print("\\n" + json.dumps(found))
"""


@pytest.mark.parametrize("name", SUMMARIES)
def test_summary_is_the_first_line_of_the_command_help(name: str) -> None:
    """The list of commands has the summary, so that listing imports no command."""
    command = GROUP.commands[name]
    assert command.get_short_help_str(limit=200) == SUMMARIES[name]
    result = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "80"})
    assert SUMMARIES[name] in " ".join(result.stdout.split())


def imported_modules(*words: str) -> set[str]:
    """Return the modules that running a command imports."""
    script = (
        "import sys, atexit; from floorcast.cli.app import main;"
        " atexit.register(lambda: print('\\n', *sys.modules)); main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, *words],
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    )
    return set(ran.stdout.rpartition("\n \n")[2].split()) | set(ran.stdout.split())


def help_texts(words: tuple[str, ...], command: object) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the help of a command and of its subcommands."""
    yield words, CliRunner().invoke(app, [*words, "--help"]).stdout
    for name, part in getattr(command, "commands", {}).items():
        yield from help_texts((*words, name), part)


@pytest.mark.parametrize("name", SUMMARIES)
def test_help_shows_option_values_without_python_types(name: str) -> None:
    """Help shows URL, FILE or N, no Python type, and bounds and defaults in one notation."""
    for words, text in help_texts((name,), GROUP.commands[name]):
        assert re.findall(r"[<{].*[>}]|<=|>=|\S  \[[a-z]|\] +\[", text) == [], words


@pytest.mark.parametrize(
    "name", ["connect", "webhook", "archive", "cluster", "site", "user", "key"]
)
def test_list_of_subcommands_is_not_truncated(name: str) -> None:
    """Each subcommand has one short sentence, even on a terminal with 80 columns."""
    listed = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "80"}).stdout
    assert "..." not in listed.partition("Commands:")[2]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("backup", "Usage: floorcast backup [OPTIONS] DIR"),
        ("replay", "Usage: floorcast replay [OPTIONS] FILE"),
        ("cluster config", "Usage: floorcast cluster config [OPTIONS] HOST…"),
        ("backup", "--data DIR The data folder. [default: floorcast-data]"),
        ("connect livevox", "server to send the events to. [default: http://127.0.0.1:8080]"),
        ("connect livevox", "0 for none. [default: 5; from 0 to 3,600]"),
        ("user add", "The user's id. [default: the next free id; from 0 to 9,007,199,254,740,992]"),
    ],
)
def test_help_is_plain(words: str, line: str) -> None:
    """Arguments are named as in the text, and --data is described for commands."""
    shown = CliRunner().invoke(app, [*words.split(), "--help"]).stdout
    assert line in " ".join(shown.split())


@pytest.mark.parametrize("words", ["--help", "--version"])
def test_program_imports_no_command_by_itself(words: str) -> None:
    """Help and completion therefore start quickly."""
    there = imported_modules(*words.split())
    commands = {f"floorcast.cli.{name.replace('-', '_')}" for name in SUMMARIES} - {
        "floorcast.cli.version"
    }
    assert there & commands == set()
    assert "httpx" not in there


def test_command_help_imports_only_what_options_need() -> None:
    """Help and completion are fast; everything else is imported when the command runs."""
    ran = subprocess.run(
        [sys.executable, "-c", EVERY_HELP], capture_output=True, text=True, check=True,
        env=environment(),
    )  # fmt: skip
    imports = json.loads(ran.stdout.splitlines()[-1])
    assert set(imports) == {" ".join(words) for words, _ in help_texts((), GROUP)}
    assert {words: heavy for words, names in imports.items() if (heavy := _heavy(names))} == {}


def _heavy(modules: list[str]) -> list[str]:
    """Return the modules that no help may import: asyncio, libraries and the working packages."""
    light = sys.stdlib_module_names - {"asyncio"} | {"__main__", "_distutils_hack"}

    def needed(name: str) -> bool:
        top, _, rest = name.partition(".")
        package = f"{top}.{rest.partition('.')[0]}" if top == "floorcast" and rest else top
        return package in light | LIGHT | {"floorcast"} or name.startswith("_sysconfigdata")

    return [name for name in modules if not needed(name)]


def test_unknown_command_gets_a_suggestion() -> None:
    """The suggestion is an existing command."""
    result = CliRunner().invoke(app, ["sevre"])
    assert result.exit_code == 2
    assert "Did you mean 'serve'" in result.output


def test_completion_lists_the_commands() -> None:
    """Completion is requested as a shell does it."""
    ran = subprocess.run(
        [sys.executable, "-m", "floorcast"],
        capture_output=True,
        text=True,
        check=False,
        env=environment(
            _FLOORCAST_COMPLETE="complete_bash", COMP_WORDS="floorcast s", COMP_CWORD="1"
        ),
    )
    assert set(ran.stdout.split()) == {"serve", "simulate", "site", "skip-entry"}
