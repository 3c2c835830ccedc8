"""Tests of ``floorcast alert test`` with a data folder."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import typer
from typer.testing import CliRunner, Result

from floorcast.cli import alert, options
from floorcast.cli.verify import stored_entries
from floorcast.kv.folder import open_kv
from floorcast.log.data_folder import DataFolder
from floorcast.log.embedded import EmbeddedLog
from floorcast.log.log_file import StreamRow
from floorcast.log.log_reader import LogReader
from floorcast.log.port import Batch
from floorcast.model.errors import SettingError
from floorcast.site.apply import apply
from floorcast.site.file_reader import parse
from floorcast.site.live_site import Site
from floorcast.verify.verification import StoredEntry
from tests.site.sites import CHEAP
from tests.statistics.floors import at, call_at

NOON = at("2026-11-23T12:00:00-05:00")
CURRENT_RULES = """
[[client]]
id = 7
name = "ACME"
time_zone = "America/New_York"
service = [{id = 10, name = "Sales"}]
alert = [{name = "Wait", figure = "longestCallInQueue", above = 20, clear = 10, for = 2}]

[[client]]
id = 8
name = "Quiet"
"""
SITE = """
[[client]]
id = 7
name = "ACME"
time_zone = "America/New_York"
service = [{id = 10, name = "Sales"}]
alert = [{name = "Queue", figure = "totalCallsInQueue", service = ["Sales"], above = 0}]
"""


def run_alert_test(folder: Path, *more: str) -> Result:
    """Run the command on a data folder."""
    program = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    program.callback()(options.load_option_values)
    alert.register(program)
    given = ["alert", "test", "--data", str(folder), *more]
    return CliRunner().invoke(program, given, catch_exceptions=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a call that waits from noon on and ends after half a minute."""

    async def take() -> None:
        kv = open_kv(tmp_path)
        await apply(kv, parse(CURRENT_RULES), CHEAP)
        acme = Site(kv).by_name["ACME"]
        await kv.close()
        data = DataFolder(tmp_path)
        clock = [NOON - 60_000]
        log = EmbeddedLog(data, lambda: clock[0] * 10_000)
        await log.append_site(7, msgspec.json.encode(acme.floor_config))
        for kind, when in (("queue", NOON), ("end", NOON + 30_000)):
            clock[0] = when
            event = msgspec.structs.replace(call_at(kind, when, service=10), id=kind)
            await log.append(Batch(7, [msgspec.json.encode(event)], [event]))
        clock[0] = NOON + 60_000
        event = msgspec.structs.replace(call_at("queue", NOON + 60_000, 2, service=10), id="last")
        await log.append(Batch(7, [msgspec.json.encode(event)], [event]))
        await log.close()
        data.release()

    asyncio.run(take())
    return tmp_path


def test_lists_when_the_current_rules_would_have_fired(folder: Path) -> None:
    """Times are exact to the second, in the client's time zone."""
    result = run_alert_test(folder, "--client", "ACME", "--day", "2026-11-23")
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[:4] == [
        ["time", "alert", "service", "status", "value", "threshold"],
        ["12:00:21", "Wait", "Sales", "pending", "21", "20"],
        ["12:00:23", "Wait", "Sales", "firing", "23", "20"],
        ["12:00:30", "Wait", "Sales", "ok", "0", "20"],
    ]
    assert "would have fired 1 time" in result.stdout
    assert result.stderr == ""


def test_rules_from_a_site_file_can_be_tested(folder: Path) -> None:
    """The rules do not have to be applied first."""
    site = folder / "site.toml"
    site.write_text(SITE)
    result = run_alert_test(folder, "--client", "7", "--day", "2026-11-23", "--site", str(site))
    assert "12:00:00  Queue  Sales" in result.stdout
    assert "Wait" not in result.stdout


def test_unknown_day_or_client_is_refused(folder: Path) -> None:
    """The message says which values are possible."""
    with pytest.raises(SettingError, match="2026-11-26"):
        run_alert_test(folder, "--day", "yesterday")
    day = ("--day", "2026-11-23")
    unnamed = run_alert_test(folder, *day)
    assert unnamed.exit_code == 2
    assert "name one of the clients: ACME, Quiet" in unnamed.output
    assert "there is no client 9" in run_alert_test(folder, *day, "--client", "9").output
    with pytest.raises(SettingError, match="no alert rules"):
        run_alert_test(folder, *day, "--client", "Quiet")
    site = folder / "site.toml"
    site.write_text(SITE)
    with pytest.raises(SettingError, match="declares no client Quiet"):
        run_alert_test(folder, *day, "--client", "Quiet", "--site", str(site))
    site.write_text(SITE.replace("7", "8").replace("ACME", "Quiet"))
    with pytest.raises(SettingError, match="no events of client Quiet"):
        run_alert_test(folder, *day, "--client", "Quiet", "--site", str(site))


def test_day_without_events_is_refused(folder: Path) -> None:
    """A day before or after the log is an error, because "0 times" would be misleading."""
    acme = ("--client", "ACME", "--day")
    with pytest.raises(SettingError, match=r"no events of that day; it begins at 2026-11-23 11:59"):
        run_alert_test(folder, *acme, "2026-11-20")
    with pytest.raises(SettingError, match=r"no events of that day; it ends at 2026-11-23 12:01"):
        run_alert_test(folder, *acme, "2026-11-24")
    with pytest.raises(SettingError, match=r"no events of that day; it begins"):
        run_alert_test(folder, *acme, "0001-01-01")
    with pytest.raises(SettingError, match=r"no events of that day; it ends"):
        run_alert_test(folder, *acme, "9999-12-31")


def test_log_is_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The site has the rules, so the log is only folded."""
    read: list[int] = []
    entries = stored_entries

    def counted(log: LogReader, stream: StreamRow) -> Iterator[StoredEntry]:
        for entry in entries(log, stream):
            read.append(entry.number)
            yield entry

    monkeypatch.setattr("floorcast.cli.alert_backtest.stored_entries", counted)
    run_alert_test(folder, "--client", "ACME", "--day", "2026-11-23")
    assert read == [1, 2, 3, 4]
