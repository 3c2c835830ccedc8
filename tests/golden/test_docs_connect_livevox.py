"""Tests of the configuration, options and metrics in ``docs/connect-livevox.md``."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

from typer.main import get_command

from floorcast.cli.app import app
from floorcast.client import Verdicts
from floorcast.connectors.connect_file import LivevoxTable, read_connect_file
from floorcast.connectors.metrics import ConnectorMetrics

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "connect-livevox.md").read_text("utf-8")


def block(kind: str) -> str:
    (found,) = re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def test_connect_toml_is_valid(tmp_path: Path) -> None:
    """The page's connect.toml can be read, its secrets are in other files, and all keys exist."""
    (tmp_path / "connect.toml").write_text(block("toml"), "utf-8")
    found = read_connect_file(tmp_path / "connect.toml", {})
    assert found.livevox is not None
    assert found.livevox.password_file == str(tmp_path / "livevox.password")
    listed = PAGE[PAGE.index("Keys of `[livevox]`") :].partition("\n\nOptions")[0]
    named = {
        name
        for row in re.findall(r"^\| (`.*?) \|", listed, re.MULTILINE)
        for name in re.findall(r"`([a-z_]+)`", row)
    }
    assert named == set(LivevoxTable.__struct_fields__)


def test_unit_is_valid() -> None:
    """The unit on the page runs ``floorcast connect`` with the configuration file."""
    unit = configparser.ConfigParser()
    unit.read_string(block("ini"))
    assert unit["Service"]["ExecStart"].endswith(
        "floorcast connect --config /etc/floorcast-connect/connect.toml"
    )


def test_every_option_on_the_page_exists() -> None:
    """Every option on the page is an option of one of the page's commands."""
    program = get_command(app)
    known = {"--now", "--directory", "--mode", "--owner", "--group"}  # of other programs
    for command in (
        program.commands["connect"].commands["livevox"],  # type: ignore[attr-defined]  # a group
        program.commands["key"].commands["new"],  # type: ignore[attr-defined]  # a group
    ):
        known |= {option for parameter in command.params for option in parameter.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)) <= known


def test_every_metric_on_the_page_is_exported() -> None:
    """The connector exports every metric under the name on the page."""
    metrics = ConnectorMetrics()
    metrics.set_source_connected("agent", connected=True)
    metrics.count_sent(Verdicts(), 0)
    for name in re.findall(r"…(_[a-z_]+)", PAGE):
        labels = {"verdict": "accepted"} if name == "_sent_total" else {}
        assert metrics.has(f"floorcast_connector{name}", **labels)
