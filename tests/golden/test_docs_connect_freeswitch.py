"""Tests of the configuration, events and metrics in ``docs/connect-freeswitch.md``."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from typer.main import get_command

from floorcast.cli.app import app
from floorcast.client import Verdicts
from floorcast.connectors.connect_file import FreeswitchTable, read_connect_file
from floorcast.connectors.freeswitch.events import EslEventConverter
from floorcast.connectors.freeswitch.queries import (
    AGENTS,
    CHANNELS,
    CLOCK,
    CORE,
    EVENTS,
    TIERS,
)
from floorcast.connectors.metrics import ConnectorMetrics
from floorcast.connectors.pbx.config import MappingConfig

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "connect-freeswitch.md").read_text("utf-8")
TABLE = PAGE[PAGE.index("## What each event becomes") : PAGE.index("## Configuration")]
ACTIONS = sorted(set(re.findall(r"\b(?:member-queue|agent|bridge-agent)-[a-z-]+", TABLE)))


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_connect_toml_is_valid(tmp_path: Path) -> None:
    """The page's connect.toml can be read, and the page lists every key."""
    (text,) = blocks("toml")
    (tmp_path / "connect.toml").write_text(text, "utf-8")
    found = read_connect_file(tmp_path / "connect.toml", {})
    assert found.asterisk is None
    assert found.freeswitch is not None
    assert found.freeswitch.esl_password_file == str(tmp_path / "esl.password")
    named = set(re.findall(r"^\| `(?:\[freeswitch\.)?([a-z_]+)\]?`", PAGE, re.MULTILINE))
    assert named | {"esl", "esl_user", "esl_password_file"} == set(
        FreeswitchTable.__struct_fields__
    )


def test_freeswitch_xml_has_the_required_permissions() -> None:
    """The XML configures the socket and its access list, and gives a user minimal permissions."""
    socket, machines, user, action = (ET.fromstring(text) for text in blocks("xml"))
    params = {one.get("name"): one.get("value") for one in socket.iter("param")}
    assert params["apply-inbound-acl"] == machines.get("name")
    assert params["listen-ip"] == "127.0.0.1"
    rights = {one.get("name"): str(one.get("value")).split() for one in user.iter("param")}
    assert rights["esl-allowed-events"] == EVENTS.split()
    on_reply = (AGENTS, TIERS, CHANNELS, CORE, CLOCK, "uuid_exists", "echo")
    assert set(rights["esl-allowed-api"]) == {command.split()[0] for command in on_reply}
    assert "Event-Subclass=floorcast::disposition" in str(action.get("data"))


def test_unit_is_valid() -> None:
    """The unit on the page runs ``floorcast connect`` with the configuration file."""
    unit = configparser.ConfigParser()
    unit.read_string(blocks("ini")[0])
    assert unit["Service"]["ExecStart"].endswith(
        "floorcast connect --config /etc/floorcast-connect/connect.toml"
    )


def test_every_option_on_the_page_exists() -> None:
    """Every option on the page is an option of one of the page's commands."""
    program = get_command(app)
    known = {"--check", "--help"}
    for command in (
        program.commands["connect"].commands["freeswitch"],  # type: ignore[attr-defined]  # a group
        program.commands["replay"],  # type: ignore[attr-defined]  # a group
        program.commands["key"].commands["new"],  # type: ignore[attr-defined]  # a group
    ):
        known |= {option for parameter in command.params for option in parameter.opts}
    used = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE))
    used -= {"--now", "--directory", "--mode", "--owner", "--group"}  # of other programs
    assert used <= known


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_in_the_table_is_supported(action: str) -> None:
    """The connector supports every action. It would silently ignore a misspelled name."""
    event = {
        "Event-Name": "CUSTOM", "Event-Subclass": "callcenter::info", "CC-Action": action,
        "CC-Queue": "q", "CC-Agent": "a", "CC-Member-Session-UUID": "u", "CC-Cause": "Cancel",
        "CC-Agent-Status": "On Break", "CC-Agent-State": "In a queue call",
    }  # fmt: skip
    body = msgspec.json.encode(event)
    reader = EslEventConverter(MappingConfig())
    assert reader.convert(reader.decode(body), body, 1.0) is not None
    assert len(ACTIONS) == 9


def test_every_event_in_the_table_is_subscribed_to() -> None:
    """The connector subscribes to every event, because other events would never arrive."""
    assert set(re.findall(r"\bCHANNEL_[A-Z_]+\b", TABLE)) <= set(EVENTS.split())


def test_every_metric_on_the_page_is_exported() -> None:
    """The connector exports every metric under the name on the page."""
    metrics = ConnectorMetrics()
    metrics.set_source_connected("esl", connected=True)
    metrics.count_sent(Verdicts(1, 1, []), 1)
    named = re.findall(r"`(?:floorcast_connector|…)_([a-z_]+)", PAGE)
    labels = {"connected": {"to": "esl"}, "sent_total": {"verdict": "accepted"}}
    for name in named:
        assert metrics.has(f"floorcast_connector_{name}", **labels.get(name, {})), name
    assert len(named) == 7
