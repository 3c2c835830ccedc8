"""Tests of ``floorcast connect livevox`` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs
from typer.testing import CliRunner

from floorcast.cli.app import app
from floorcast.cli.connect_livevox import run_livevox
from floorcast.connectors.connect_file import ConnectFile, LivevoxTable
from floorcast.model.errors import SettingError
from tests.real.server import Server
from tests.real.sites import PASSWORD, TOKENS

TABLE = LivevoxTable(from_url="http://127.0.0.1:1", client="ACME", user="reports")
SECRETS = {"password": "p", "api_token": "t"}


@pytest.mark.parametrize("secret", ["--password", "--api-token"])
def test_secret_on_the_command_line_is_refused(secret: str) -> None:
    """Everybody on the machine could read it."""
    found = CliRunner().invoke(app, ["connect", "livevox", secret, "hidden"])
    assert found.exit_code == 2
    assert f"{secret}-file" in found.output.replace("\n", "")


def test_connect_toml_selects_livevox(tmp_path: Path) -> None:
    """No subcommand is needed. Paths are relative to the file."""
    file = tmp_path / "connect.toml"
    file.write_text(
        '[livevox]\nfrom_url = "http://127.0.0.1:1"\nclient = "A"\nuser = "u"\n'
        'password_file = "livevox.password"\n'
    )
    found = CliRunner().invoke(app, ["connect", "--config", str(file)])
    assert isinstance(found.exception, SettingError)
    assert str(found.exception).startswith(f"{tmp_path / 'livevox.password'} cannot be read")


@pytest.mark.parametrize(
    ("table", "secrets", "why"),
    [
        (None, SECRETS, "set --from"),
        (structs.replace(TABLE, from_url=""), SECRETS, "set --from"),
        (structs.replace(TABLE, client=""), SECRETS, "--client must be given"),
        (structs.replace(TABLE, user=""), SECRETS, "--user must be given"),
        (TABLE, {"api_token": "t"}, "FLOORCAST_PASSWORD"),
        (TABLE, {"password": "p"}, "FLOORCAST_API_TOKEN"),
        (structs.replace(TABLE, password_file="/nowhere"), {}, "/nowhere cannot be read"),
    ],
)
def test_missing_value_is_named(
    table: LivevoxTable | None, secrets: dict[str, str], why: str
) -> None:
    """The error says how to set the missing value."""
    with pytest.raises(SettingError, match=why):
        run_livevox(ConnectFile(livevox=table), secrets, check=True)


def test_wrong_login_is_reported_with_the_options(tmp_path: Path) -> None:
    """The message has the command's names, not the API's."""
    with Server(tmp_path) as server:
        table = structs.replace(TABLE, from_url=server.url, user="sysadmin")
        secrets = {"password": "wrong", "api_token": TOKENS["ACME"]}
        with pytest.raises(SettingError, match=r"the password is wrong \(--user, --password-file"):
            run_livevox(ConnectFile(livevox=table), secrets, check=True)
        secrets = {"password": PASSWORD, "api_token": "another"}
        with pytest.raises(SettingError, match="the API token is not one of client ACME's"):
            run_livevox(ConnectFile(livevox=table), secrets, check=True)
