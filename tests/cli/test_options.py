"""Tests of the sources from which options get values that the command line does not set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner, Result

from floorcast.cli import options
from floorcast.model.errors import SettingError

ENVIRONMENT = {"FLOORCAST_COLOR": "blue", "FLOORCAST_SIZE": "2"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder the current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def program() -> typer.Typer:
    """A single command, a group with a command, and a command that reads its settings itself."""
    app, group = typer.Typer(), typer.Typer()
    app.callback()(options.load_option_values)
    app.add_typer(group, name="group")

    @app.command()
    def paint(color: str = "red", size: int = 1, day: str = "") -> None:
        typer.echo(f"{color} {size} {day}")

    @group.command()
    def deep(time_zone: str = "UTC", port: int = 1) -> None:
        typer.echo(f"{time_zone} {port}")

    @app.command()
    def serve(context: typer.Context, config: str = "", port: int = 1) -> None:
        typer.echo(" ".join([config, str(port), *sorted(options.known_options(context))]))

    return app


def run(*words: str, environment: dict[str, str] | None = None) -> str:
    result = CliRunner().invoke(program(), words, env=environment, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def test_command_line_overrides_environment_overrides_file(folder: Path) -> None:
    """Each source takes precedence over the next, and the last one over the default."""
    assert run("paint") == "red 1"
    folder.joinpath("floorcast.toml").write_text(
        'color = "green"\nsize = 3\nday = 2026-07-01\n', "utf-8"
    )
    assert run("paint") == "green 3 2026-07-01"
    assert run("paint", environment=ENVIRONMENT) == "blue 2 2026-07-01"
    assert run("paint", "--color", "black", environment=ENVIRONMENT) == "black 2 2026-07-01"


def test_options_work_for_commands_in_a_group() -> None:
    """Options have the same names, with underscores instead of hyphens."""
    assert run("group", "deep", environment={"FLOORCAST_TIME_ZONE": "Asia/Kathmandu"}) == (
        "Asia/Kathmandu 1"
    )


def test_server_settings_are_not_passed_to_other_commands(folder: Path) -> None:
    """The server reads ``port`` itself. It is never passed on as a flag."""
    folder.joinpath("floorcast.toml").write_text("port = 9000", "utf-8")
    assert run("group", "deep") == "UTC 1"


def test_command_with_its_own_config_ignores_floorcast_toml(folder: Path) -> None:
    """A broken ``floorcast.toml`` does not affect ``--config other.toml``."""
    folder.joinpath("floorcast.toml").write_text("[broken", "utf-8")
    assert run("serve", "--config", "other.toml") == (
        "other.toml 1 color config day port size time_zone"
    )


def test_names_in_the_environment_and_the_file_are_those_of_the_options(folder: Path) -> None:
    """The name of the function's parameter does not matter."""
    app = typer.Typer()
    app.callback()(options.load_option_values)

    @app.command()
    def copy(since: Annotated[str, typer.Option("--from")] = "") -> None:
        typer.echo(since)

    @app.command()
    def show(wanted: Annotated[list[str] | None, typer.Option("--only-this")] = None) -> None:
        typer.echo(" ".join(wanted or ()))

    def invoke(command: str, **environment: str) -> str:
        return CliRunner().invoke(app, [command], env=environment).stdout.strip()

    assert invoke("copy", FLOORCAST_FROM="monday") == "monday"
    assert invoke("show", FLOORCAST_ONLY_THIS="one") == "one"
    folder.joinpath("floorcast.toml").write_text('only_this = ["one", "two"]', "utf-8")
    assert invoke("show") == "one two"


def test_unknown_option_is_an_error() -> None:
    """Another command's option is accepted. A misspelt one is an error."""
    assert run("paint", environment={"FLOORCAST_TIME_ZONE": "UTC"}) == "red 1"
    with pytest.raises(SettingError, match="FLOORCAST_COLOUR in the environment"):
        run("paint", environment={"FLOORCAST_COLOUR": "blue"})


def sending_program() -> typer.Typer:
    """A command that sends a key to a URL."""
    app = typer.Typer(rich_markup_mode=None)
    app.callback()(options.load_option_values)

    @app.command()
    def send(
        key: Annotated[str, typer.Option()], url: str = "http://127.0.0.1:8080", size: int = 1
    ) -> None:
        if size > 9:
            raise typer.BadParameter("must be at most 9", param_hint="--size")
        typer.echo(f"{key} to {url}")

    @app.command()
    def ask(url: str = "here", password: str = "", api_token: str = "") -> None:
        typer.echo(f"{password} {api_token} to {url}")

    options.use_command_class(app)
    return app


def run_sending(*words: str, environment: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(sending_program(), words, env=environment, catch_exceptions=False)


FOREIGN_URL = 'url = "http://192.0.2.66"\n'
KEY = {"FLOORCAST_KEY": "ours"}


@pytest.mark.parametrize(
    ("words", "environment"),
    [
        (("send",), KEY),
        (("ask", "--password", "ours"), {}),
        (("ask",), {"FLOORCAST_PASSWORD": "ours"}),
        (("ask",), {"FLOORCAST_API_TOKEN": "ours"}),
        (("send", "--key", "ours"), {}),
    ],
)
def test_secret_is_not_sent_to_a_url_from_the_folder_file(
    folder: Path, words: tuple[str, ...], environment: dict[str, str]
) -> None:
    """Anyone who can write the file would get the secret. The error names both, and a remedy."""
    folder.joinpath("floorcast.toml").write_text(FOREIGN_URL, "utf-8")
    with pytest.raises(SettingError, match=r"is not sent to the url in .*floorcast.toml.*--url"):
        run_sending(*words, environment=environment)


def test_secret_is_sent_to_a_url_of_the_same_or_a_stronger_source(folder: Path) -> None:
    """Both are in the file or in the environment, or the URL is on the command line."""
    folder.joinpath("floorcast.toml").write_text(FOREIGN_URL + 'key = "theirs"\n', "utf-8")
    assert run_sending("send").stdout == "theirs to http://192.0.2.66\n"
    ours = KEY | {"FLOORCAST_URL": "http://ours"}
    assert run_sending("send", environment=ours).stdout == "ours to http://ours\n"
    message = run_sending("send", "--url", "http://flag", environment=KEY)
    assert message.stdout == "ours to http://flag\n"
    folder.joinpath("floorcast.toml").unlink()
    assert run_sending("send", environment=KEY).stdout == "ours to http://127.0.0.1:8080\n"
    message = run_sending("send", "--key", "flag", environment={"FLOORCAST_URL": "http://ours"})
    assert message.stdout == "flag to http://ours\n"
    named = folder / "named.toml"
    named.write_text(FOREIGN_URL, "utf-8")
    by_variable = KEY | {"FLOORCAST_CONFIG": str(named)}
    assert run_sending("send", environment=by_variable).stdout == "ours to http://192.0.2.66\n"


def test_value_error_names_the_source(folder: Path) -> None:
    """The error names the variable or the file, and not an option."""
    wrong = run_sending("send", "--key", "k", environment={"FLOORCAST_SIZE": "x"})
    assert "Invalid value for FLOORCAST_SIZE in the environment" in wrong.stderr
    wrong = run_sending("send", "--key", "k", environment={"FLOORCAST_SIZE": "10"})
    assert "Invalid value for FLOORCAST_SIZE in the environment: must be at most 9" in wrong.stderr
    folder.joinpath("floorcast.toml").write_text('size = "x"\n', "utf-8")
    assert "size in floorcast.toml" in run_sending("send", "--key", "k").stderr
    assert "'--size'" in run_sending("send", "--key", "k", "--size", "x").stderr


def test_value_that_is_not_utf8_is_an_error() -> None:
    """No request could contain it. The error names the option or the variable."""
    wrong = run_sending("send", "--key", "caf\udce9")
    assert "Invalid value for '--key': must be UTF-8" in wrong.stderr
    wrong = run_sending("send", environment={"FLOORCAST_KEY": "caf\udce9"})
    assert "Invalid value for FLOORCAST_KEY in the environment: must be UTF-8" in wrong.stderr


def test_readable_file_with_secrets_causes_a_warning(folder: Path) -> None:
    """The warning is on standard error. Private files and files without secrets cause none."""
    file = folder / "floorcast.toml"
    file.write_text(FOREIGN_URL + 'key = "theirs"\n', "utf-8")
    file.chmod(0o644)
    assert (
        "warning: floorcast.toml holds secrets and can be read by others"
        in run_sending("send").stderr
    )
    file.chmod(0o600)
    assert run_sending("send").stderr == ""
    file.write_text('url = "here"\n', "utf-8")
    file.chmod(0o644)
    assert run_sending("send", "--key", "k", "--url", "u").stderr == ""
