"""``floorcast audit``, and the events that administration commands log."""

from __future__ import annotations

import getpass
import json
from pathlib import Path

import pytest

from floorcast.auth.audit_log import FILE_NAME, AuditLog
from floorcast.site.digests import digest, fingerprint
from tests.auth.auth_node import Clock
from tests.cli.desk import Desk
from tests.site.sites import SMALL

PASSWORD = "a secret that nobody sees"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return a desk with an applied site."""
    desk = Desk(tmp_path, monkeypatch)
    desk.says("site", "apply", "site.toml")
    return desk


def test_every_change_by_a_command_is_recorded_with_who_made_it(desk: Desk) -> None:
    """Changes to the site, users and keys are logged with the client and author, but no secret."""
    desk.says("user", "add", "eve", "--role", "Manager", "--client", "1", types=PASSWORD)
    desk.says("user", "password", "eve", "--client", "1", types=PASSWORD + "!")
    desk.says("user", "remove", "eve", "--client", "1")
    key = desk.says("key", "new", "--client", "1").strip()
    shown = fingerprint(digest(key))
    desk.says("key", "revoke", shown, "--client", "1")
    (desk.folder / "site.toml").write_text(SMALL.replace("correct horse", "another horse"))
    desk.says("site", "apply", "site.toml")
    lines = [json.loads(line) for line in desk.says("audit", "--json").splitlines()]
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
    text = (desk.folder / "floorcast-data" / FILE_NAME).read_text()
    assert not any(one in text for one in (PASSWORD, key, "another horse", "argon2"))


def test_a_refused_change_leaves_no_line(desk: Desk) -> None:
    """The log has only changes that were made."""
    before = desk.says("audit", "--json")
    desk.refused("user", "add", "eve", "--role", "Manager", "--client", "1", types="short")
    assert desk.says("audit", "--json") == before


def test_it_is_a_table_whose_columns_stand_under_each_other(desk: Desk) -> None:
    """It has the last lines of some events. Control characters in names cannot move the cursor."""
    audit = AuditLog(desk.folder / "floorcast-data", Clock())
    audit.record("login", client=1, user=301, name="re\x1bports", address="192.0.2.1", session="ab")
    audit.record("login_failed", address="2001:db8::1", why="wrong password")
    said = desk.says("audit", "--event", "login", "--event", "login_failed")
    assert said.splitlines() == [
        "time                      event         client  user          address      what",
        "2023-11-14T22:13:20.000Z  login         1       301 re?ports  192.0.2.1    session=ab",
        f'{"2023-11-14T22:13:20.000Z  login_failed":62}2001:db8::1  why="wrong password"',
    ]
    assert "\x1b" not in said
    assert len(desk.says("audit", "--last", "1").splitlines()) == 2


def test_damage_is_told_and_the_rest_is_shown(desk: Desk) -> None:
    """Damage is reported on standard error, so that the lines can still be piped."""
    with (desk.folder / "floorcast-data" / FILE_NAME).open("a") as file:
        file.write("{half a li\n")
    result = desk.does("audit", "--json")
    assert "1 damaged lines were skipped" in result.stderr
    assert all(json.loads(line) for line in result.stdout.splitlines())
