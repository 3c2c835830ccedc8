"""Tests of every systemd unit in ``docs/`` and ``deploy/``."""

from __future__ import annotations

import configparser
import tomllib

import pytest

from tests.golden.pages import DOCS, ROOT, Block, blocks

UNITS = [
    block
    for page in sorted(DOCS.glob("*.md"))
    for block in blocks(page.name)
    if block.kind == "ini" and "ExecStart=" in block.text
]


def service(text: str) -> configparser.SectionProxy:
    """Return the section [Service] of a unit."""
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # as configparser documents
    unit.read_string(text)
    return unit["Service"]


def test_the_servers_unit_on_the_page_is_the_file_in_deploy() -> None:
    """Of the four units, the one in running.md is the file that its commands install."""
    (text,) = (unit.text for unit in UNITS if unit.page == "running.md")
    assert text == (ROOT / "deploy" / "floorcast.service").read_text("utf-8")
    assert len(UNITS) == 4


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.page)
def test_each_service_has_its_own_private_state_folder(unit: Block) -> None:
    """A unit never names another unit's folder.

    systemd changes the folder's owner to the unit's user and its mode to 0755 unless the unit
    states a mode, which would stop the server and let everybody read phone numbers.
    """
    found = service(unit.text)
    connector = " connect " in found["ExecStart"]
    assert found["StateDirectory"] == ("floorcast-connect" if connector else "floorcast")
    assert (found["StateDirectoryMode"], found["UMask"]) == ("0700", "0077")


@pytest.mark.parametrize("page", [unit.page for unit in UNITS if unit.page != "running.md"])
def test_the_spool_is_in_the_state_folder(page: str) -> None:
    """The spool of connect.toml is in the folder that the page's unit creates."""
    (unit,) = (unit for unit in UNITS if unit.page == page)
    (text, *_) = (block.text for block in blocks(page) if block.kind == "toml")
    folder = service(unit.text)["StateDirectory"]
    assert tomllib.loads(text)["spool"] == f"/var/lib/{folder}/connect.db"
