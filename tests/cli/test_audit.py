"""Tests of ``floorcast audit``, and of the events that administration commands log."""

from __future__ import annotations

import getpass
import json
from pathlib import Path

import pytest

from floorcast.auth.audit_log import FILE_NAME, AuditLog
from floorcast.model.errors import SettingError
from floorcast.site.digests import digest, fingerprint
from tests.auth.auth_node import Clock
from tests.cli.admin_commands import AdminCommands
from tests.site.sites import SMALL

PASSWORD = "a secret that nobody sees"


@pytest.fixture
def admin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AdminCommands:
    """Return commands on a folder with an applied site."""
    admin = AdminCommands(tmp_path, monkeypatch)
    admin.run("site", "apply", "site.toml")
    return admin


def test_changes_by_commands_are_logged_with_their_author(admin: AdminCommands) -> None:
    """Changes to the site, users and keys are logged with client and author, without secrets."""
    admin.run("user", "add", "eve", "--role", "Manager", "--client", "1", stdin=PASSWORD)
    admin.run("user", "password", "eve", "--client", "1", stdin=PASSWORD + "!")
    admin.run("user", "remove", "eve", "--client", "1")
    key = admin.run("key", "new", "--client", "1").strip()
    shown = fingerprint(digest(key))
    admin.run("key", "revoke", shown, "--client", "1")
    (admin.folder / "site.toml").write_text(SMALL.replace("correct horse", "another horse"))
    admin.run("site", "apply", "site.toml")
    lines = [json.loads(line) for line in admin.run("audit", "--json").splitlines()]
    assert [line["event"] for line in lines] == [
        *("site_changed", "site_changed"),
        *("user_added", "user_password_set", "user_removed", "key_made", "key_revoked"),
        "site_changed",
    ]
    assert {line["by"] for line in lines} == {getpass.getuser()}
    assert [line["command"] for line in lines][1:3] == ["site apply", "user add"]
    assert (lines[2]["client"], lines[2]["name"], lines[2]["role"]) == (1, "eve", "Manager")
    assert lines[5]["key"] == lines[6]["key"] == shown
    assert (lines[7]["what"], lines[7]["detail"]) == ("client 1 ACME, user 301 reports", "password")
    text = (admin.folder / "floorcast-data" / FILE_NAME).read_text()
    assert not any(one in text for one in (PASSWORD, key, "another horse", "argon2"))


def test_refused_changes_are_not_logged(admin: AdminCommands) -> None:
    """The log has only changes that were made."""
    before = admin.run("audit", "--json")
    admin.run_refused("user", "add", "eve", "--role", "Manager", "--client", "1", stdin="short")
    assert admin.run("audit", "--json") == before


def test_output_is_an_aligned_table(admin: AdminCommands) -> None:
    """It has the last lines of some events. Control characters in names cannot move the cursor."""
    audit = AuditLog(admin.folder / "floorcast-data", Clock())
    audit.record("login", client=1, user=301, name="re\x1bports", address="192.0.2.1", session="ab")
    audit.record("login_failed", address="2001:db8::1", why="wrong password")
    output = admin.run("audit", "--event", "login", "--event", "login_failed")
    assert output.splitlines() == [
        "time                      event         client  user          address      what",
        "2023-11-14T22:13:20.000Z  login         1       301 re?ports  192.0.2.1    session=ab",
        f'{"2023-11-14T22:13:20.000Z  login_failed":62}2001:db8::1  why="wrong password"',
    ]
    assert "\x1b" not in output
    assert len(admin.run("audit", "--last", "1").splitlines()) == 2


def test_an_unknown_event_is_reported(admin: AdminCommands) -> None:
    """An empty table would look as if nothing had happened."""
    result = admin.invoke("audit", "--event", "logon")
    assert result.stdout == ""
    assert result.stderr == ("floorcast: the audit log has no logon; its events are site_changed\n")


def test_damage_is_reported_and_other_lines_are_printed(admin: AdminCommands) -> None:
    """Damage is reported on standard error, so that the lines can still be piped."""
    with (admin.folder / "floorcast-data" / FILE_NAME).open("a") as file:
        file.write("{half a li\n")
    result = admin.invoke("audit", "--json")
    assert result.stderr == (
        "floorcast: 1 line is damaged and cannot be read in full: audit.log line 3\n"
    )
    assert all(json.loads(line) for line in result.stdout.splitlines())


def test_a_missing_folder_is_an_error(admin: AdminCommands) -> None:
    """A misspelt folder is not an empty audit log."""
    with pytest.raises(SettingError, match="nowhere does not exist"):
        admin.invoke("audit", "--data", "nowhere")


def test_empty_log_is_one_line(admin: AdminCommands) -> None:
    """There is no heading without rows, and the JSON output stays empty."""
    (admin.folder / "floorcast-data" / FILE_NAME).unlink()
    assert admin.run("audit") == (
        "the audit log is empty; logins and changes to the site add lines\n"
    )
    assert admin.run("audit", "--json") == ""
