"""Where an option comes from when it is not on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from floorcast.cli import options
from floorcast.model.errors import SettingError

ENVIRONMENT = {"FLOORCAST_COLOR": "blue", "FLOORCAST_SIZE": "2"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def program() -> typer.Typer:
    """One command, a group with another, and one that reads its settings by itself."""
    app, group = typer.Typer(), typer.Typer()
    app.callback()(options.take)
    app.add_typer(group, name="group")

    @app.command()
    def paint(color: str = "red", size: int = 1, day: str = "") -> None:
        typer.echo(f"{color} {size} {day}")

    @group.command()
    def deep(time_zone: str = "UTC", port: int = 1) -> None:
        typer.echo(f"{time_zone} {port}")

    @app.command()
    def serve(context: typer.Context, config: str = "", port: int = 1) -> None:
        typer.echo(" ".join([config, str(port), *sorted(options.known(context))]))

    return app


def run(*words: str, environment: dict[str, str] | None = None) -> str:
    result = CliRunner().invoke(program(), words, env=environment, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def test_the_command_line_comes_before_the_environment_and_that_before_the_file(here: Path) -> None:
    """Each place wins over the ones behind it; what none gives keeps its default."""
    assert run("paint") == "red 1"
    here.joinpath("floorcast.toml").write_text(
        'color = "green"\nsize = 3\nday = 2026-07-01\n', "utf-8"
    )
    assert run("paint") == "green 3 2026-07-01"
    assert run("paint", environment=ENVIRONMENT) == "blue 2 2026-07-01"
    assert run("paint", "--color", "black", environment=ENVIRONMENT) == "black 2 2026-07-01"


def test_a_command_in_a_group_finds_its_options_too() -> None:
    """By the same names, hyphens as underscores."""
    assert run("group", "deep", environment={"FLOORCAST_TIME_ZONE": "Asia/Kathmandu"}) == (
        "Asia/Kathmandu 1"
    )


def test_the_servers_settings_are_left_to_the_server(here: Path) -> None:
    """``port`` is one of them: read where it is used, never handed on as if it were a flag."""
    here.joinpath("floorcast.toml").write_text("port = 9000", "utf-8")
    assert run("group", "deep") == "UTC 1"


def test_a_command_with_a_file_of_its_own_is_let_alone(here: Path) -> None:
    """A broken ``floorcast.toml`` does not stop ``--config other.toml``; it knows all options."""
    here.joinpath("floorcast.toml").write_text("[broken", "utf-8")
    assert run("serve", "--config", "other.toml") == (
        "other.toml 1 color config day port size time_zone"
    )


def test_what_is_no_option_anywhere_is_an_error() -> None:
    """Another command's option is known; a misspelt one is named."""
    assert run("paint", environment={"FLOORCAST_TIME_ZONE": "UTC"}) == "red 1"
    with pytest.raises(SettingError, match="FLOORCAST_COLOUR in the environment"):
        run("paint", environment={"FLOORCAST_COLOUR": "blue"})
