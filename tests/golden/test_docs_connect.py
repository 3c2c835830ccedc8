"""Tests of the configuration, events and metrics in ``docs/connect-asterisk.md``."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
from typer.main import get_command

from floorcast.cli.app import app
from floorcast.client import Verdicts
from floorcast.connectors.asterisk.ami_events import AmiEventConverter
from floorcast.connectors.asterisk.queue_log_lines import QueueLogLine, to_pbx_event
from floorcast.connectors.connect_file import AsteriskTable, read_connect_file
from floorcast.connectors.metrics import ConnectorMetrics

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "connect-asterisk.md").read_text("utf-8")
TABLE = PAGE[PAGE.index("## What each event becomes") : PAGE.index("## Configuration")]


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_connect_toml_is_valid(tmp_path: Path) -> None:
    """The page's connect.toml can be read, and the page lists every key."""
    (text,) = blocks("toml")
    (tmp_path / "connect.toml").write_text(text, "utf-8")
    found = read_connect_file(tmp_path / "connect.toml", {})
    assert found.asterisk is not None
    assert found.asterisk.ami_secret_file == str(tmp_path / "ami.secret")
    rows = re.findall(r"^\| (`[^|]+`) \|", PAGE, re.MULTILINE)
    named = {one for row in rows for one in re.findall(r"`(?:\[asterisk\.)?([a-z_]+)\]?`", row)}
    assert named <= set(AsteriskTable.__struct_fields__)
    assert named | {"ami", "ami_user", "ami_secret_file", "queue_log"} == set(
        AsteriskTable.__struct_fields__
    )


def test_manager_conf_and_unit_are_valid() -> None:
    """manager.conf grants the necessary permissions, and the unit runs ``floorcast connect``."""
    manager, unit = (configparser.ConfigParser(allow_no_value=True) for _ in range(2))
    manager.read_string(blocks("ini")[0])
    unit.read_string(blocks("ini")[1])
    assert manager["general"]["timestampevents"] == "yes"
    assert set(manager["floorcast"]["read"].split(",")) == {"call", "agent", "user", "system"}
    assert "reporting" in manager["floorcast"]["write"]
    assert unit["Service"]["ExecStart"].endswith(
        "floorcast connect --config /etc/floorcast-connect/connect.toml"
    )


def test_every_option_on_the_page_exists() -> None:
    """Every option on the page is an option of one of the page's commands."""
    program = get_command(app)
    known = {"--check", "--from", "--help"}
    for command in (
        program.commands["connect"].commands["asterisk"],  # type: ignore[attr-defined]  # a group
        program.commands["replay"],  # type: ignore[attr-defined]  # a group
        program.commands["key"].commands["new"],  # type: ignore[attr-defined]  # a group
    ):
        known |= {option for parameter in command.params for option in parameter.opts}
    used = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE))
    used -= {"--now", "--directory", "--mode", "--owner", "--group"}  # of other programs
    assert used <= known


@pytest.mark.parametrize("name", re.findall(r"\b(?:Queue|Agent)[A-Z][A-Za-z]+|\bHangup\b", TABLE))
def test_every_ami_event_in_the_table_is_supported(name: str) -> None:
    """The connector supports every event. It would silently ignore a misspelled name."""
    frame = {
        "Event": name, "Uniqueid": "1.0", "Queue": "q", "MemberName": "m", "Reason": "agent",
        "DestUniqueid": "1.1", "Timestamp": "1",
    }  # fmt: skip
    assert AmiEventConverter().convert(frame, 0.0) is not None


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\b[A-Z]{7,}\b|\bDID\b", TABLE))))
def test_every_queue_log_event_on_the_page_is_supported(name: str) -> None:
    """The connector supports every event. Other capitalized words are floorcast's own."""
    own = {
        "INBOUND",
        "OVERFLOW",
        "RESERVED",
        "IN_CALL",
        "WRAP_UP",
        "NOT_READY",
        "TRANSFER",
        "DIRECT",
    }
    if name not in own or name == "TRANSFER":
        assert to_pbx_event(QueueLogLine(1.0, "1.0", "q", "m", name, ["", ""])) is not None


def test_every_metric_on_the_page_is_exported() -> None:
    """The connector exports every metric under the name on the page."""
    metrics = ConnectorMetrics()
    metrics.set_source_connected("ami", connected=True)
    metrics.count_sent(Verdicts(1, 1, []), 1)
    named = re.findall(r"`(?:floorcast_connector|…)_([a-z_]+)", PAGE)
    labels = {"connected": {"to": "ami"}, "sent_total": {"verdict": "accepted"}}
    for name in named:
        assert metrics.has(f"floorcast_connector_{name}", **labels.get(name, {})), name
    assert len(named) == 7
