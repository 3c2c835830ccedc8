"""Tests of ``floorcast skip-entry``, which skips a damaged entry that an operator gives up."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from floorcast.auth import audit_log
from floorcast.cli import options, skip_entry
from floorcast.kv.folder import open_kv
from floorcast.log.damage import damaged_entries
from floorcast.log.data_folder import DataFolder
from floorcast.model.errors import SettingError
from floorcast.site.apply import apply
from floorcast.site.file_reader import parse
from tests.cli.test_verify import call_events, run_verify, store_events
from tests.log.damaging import flip
from tests.site.sites import CHEAP, SMALL, run


def run_skip_entry(folder: Path, *words: str) -> Result:
    """Run the command in this process."""
    program = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    program.callback()(options.load_option_values)
    skip_entry.register(program)
    arguments = ["skip-entry", *words, "--data", str(folder)]
    return CliRunner().invoke(program, arguments, catch_exceptions=False)


def test_damaged_entry_is_skipped(tmp_path: Path) -> None:
    """The rest of the log is then read as if the entry did not exist.

    The audit log names the entry and the account that ran the command.
    """
    store_events(tmp_path, call_events(1))
    flip(tmp_path / "log.db", b'"id":"3/0"')
    output = run_skip_entry(tmp_path, "47415", "3")
    assert output.stdout == "entry 3 of client 47415 is now skipped\n"
    assert list(damaged_entries(tmp_path)) == []
    (line,), _ = audit_log.read(tmp_path)
    assert (line["event"], line["client"], line["entry"]) == ("entry_skipped", 47415, 3)
    assert (line["by"], line["command"]) == (getpass.getuser(), "skip-entry")
    result = run_verify(tmp_path)
    assert result.exit_code == 0
    assert "client 47415: 2 entries, " in result.stdout


def test_client_can_be_named(tmp_path: Path) -> None:
    """A name is looked up in the site, as in other commands."""
    store_events(tmp_path, call_events(1), client=2)
    flip(tmp_path / "log.db", b'"id":"3/0"')

    async def add_site() -> None:
        kv = open_kv(tmp_path)
        await apply(kv, parse(SMALL), CHEAP)
        await kv.close()

    run(add_site())
    output = run_skip_entry(tmp_path, "ACME West", "3")
    assert output.stdout == "entry 3 of client 2 is now skipped\n"


def test_undamaged_entries_and_running_servers_are_refused(tmp_path: Path) -> None:
    """An undamaged entry, a folder without a log, and a running server's folder are refused."""
    with pytest.raises(SettingError, match="holds no log"):
        run_skip_entry(tmp_path, "47415", "1")
    store_events(tmp_path, call_events(1))
    with pytest.raises(SettingError, match="is not damaged"):
        run_skip_entry(tmp_path, "47415", "3")
    with DataFolder(tmp_path), pytest.raises(SettingError, match="in use"):
        run_skip_entry(tmp_path, "47415", "3")
