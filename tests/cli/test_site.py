"""``floorcast site``."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from floorcast.kv.folder import open_kv
from floorcast.model.errors import SettingError
from floorcast.site.digests import digest, fingerprint
from floorcast.site.live_site import Site
from tests.cli.desk import Desk
from tests.site.sites import SMALL


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return a desk in its own folder."""
    return Desk(tmp_path, monkeypatch)


def test_applying_tells_what_it_changed(desk: Desk) -> None:
    """It first lists new clients, then nothing, and then only the changes in the file."""
    said = desk.says("site", "apply", "site.toml").splitlines()
    assert said[0].split("  ")[0] == "added"
    assert said[-1] == "2 changes"
    assert set(desk.site().clients) == {1, 2}
    assert desk.says("site", "apply", "site.toml") == "nothing to change\n"
    text = SMALL.replace('"Help"', '"Assist the customers"').replace('"test-token-of-acme-02"', "")
    (desk.folder / "site.toml").write_text(text)
    changed = "client 1 ACME, service 102 Assist the customers"
    removed = f"client 2 ACME West, API token {fingerprint(digest('test-token-of-acme-02'))}"
    assert desk.says("site", "apply", "site.toml").splitlines() == [
        f"changed  {changed}  name Help → Assist the customers",
        f"removed  {removed}",
        "2 changes",
    ]


def test_a_running_server_sees_what_was_applied(desk: Desk) -> None:
    """A process that has the folder open finds the new site at its next check."""
    desk.says("site", "apply", "site.toml")
    kv = open_kv(desk.folder / "floorcast-data")
    site = Site(kv)
    (desk.folder / "site.toml").write_text(SMALL.replace("Sales", "Sale"))
    desk.says("site", "apply", "site.toml")
    change = asyncio.run(site.refresh())
    assert change is not None
    assert list(change.plans) == [1]
    asyncio.run(kv.close())


@pytest.mark.parametrize("command", ["apply", "check"])
def test_a_wrong_file_is_told_and_changes_nothing(desk: Desk, command: str) -> None:
    """Each mistake is reported with the file's name, the table and the key."""
    (desk.folder / "site.toml").write_text(SMALL.replace("Help", "Sales"))
    with pytest.raises(SettingError, match=r"^site\.toml: client 1, service Sales: the name is"):
        desk.does("site", command, "site.toml")
    with pytest.raises(SettingError, match=r"^none\.toml cannot be read"):
        desk.does("site", command, "none.toml")
    assert not (desk.folder / "floorcast-data").exists()


def test_a_file_in_order_is_told_as_such(desk: Desk) -> None:
    """It lists what the file declares, without needing a data folder."""
    said = desk.says("site", "check", "site.toml")
    assert said.splitlines() == [
        "client 1 ACME       2 services  2 agents  2 users",
        "client 2 ACME West  0 services  0 agents  0 users",
        "site.toml is valid",
    ]
    assert not (desk.folder / "floorcast-data").exists()


def test_the_site_can_be_looked_at(desk: Desk) -> None:
    """All clients or one client are shown, with numbers and names but no secrets."""
    desk.says("site", "apply", "site.toml")
    said = desk.says("site", "show")
    for part in (
        "client 1 ACME\n",
        "time zone    America/New_York",
        "feeds        agent interaction",
        "agents       2, of whom 1 may log in",
        "call center  11  North",
        "service  101  Sales",
        "term codes   Paid",
        "client 2 ACME West\n",
        "parent       1",
        "term codes   the default ones",
    ):
        assert part in said
    for secret in ("test-token-of-acme-01", "ingest-key-of-acme-01", "correct horse", "argon2"):
        assert secret not in said
    assert "client 1" not in desk.says("site", "show", "--client", "2")


def test_the_data_folder_is_the_servers(desk: Desk) -> None:
    """The folder comes from --data, FLOORCAST_DATA or the settings file."""
    (desk.folder / "floorcast.toml").write_text('data = "from-file"')
    desk.says("site", "apply", "site.toml")
    desk.says("site", "apply", "site.toml", "--data", "from-flag")
    assert set(desk.site("from-file").clients) == set(desk.site("from-flag").clients) == {1, 2}


def test_there_must_be_a_site_to_look_at(desk: Desk) -> None:
    """The error names the command that creates a site, and the folder is not created."""
    with pytest.raises(SettingError, match="holds no site yet: floorcast site apply FILE --data"):
        desk.does("site", "show")
    with pytest.raises(SettingError, match=":memory:"):
        desk.does("site", "show", "--data", ":memory:")
    assert not (desk.folder / "floorcast-data").exists()


def test_what_is_unsafe_in_a_file_is_told_beside_the_answer(desk: Desk) -> None:
    """A file that others can read causes a warning, and check and apply continue."""
    (desk.folder / "site.toml").chmod(0o644)
    for command in ("check", "apply"):
        result = desk.does("site", command, "site.toml")
        assert result.exit_code == 0
        assert "warning: site.toml holds secrets and can be read by others" in result.stderr
    (desk.folder / "site.toml").chmod(0o600)
    assert desk.does("site", "check", "site.toml").stderr == ""


EMPTY = "# nothing yet\n"


def test_a_file_that_removes_clients_or_users_is_not_applied_without_a_word(desk: Desk) -> None:
    """An empty or half-written file changes nothing without confirmation. Scripts use --yes."""
    desk.says("site", "apply", "site.toml")
    (desk.folder / "site.toml").write_text(EMPTY)
    with pytest.raises(SettingError, match="nothing was changed: give --yes"):
        desk.does("site", "apply", "site.toml")
    assert set(desk.site().clients) == {1, 2}
    without = SMALL.replace(
        '{id = 302, name = "north", password = "battery staple", role = "Manager",'
        " call_centers = [11]},",
        "",
    )
    assert without != SMALL
    (desk.folder / "site.toml").write_text(without)
    with pytest.raises(SettingError, match="nothing was changed"):
        desk.does("site", "apply", "site.toml")
    assert desk.site().user(1, "north") is not None
    desk.says("site", "apply", "site.toml", "--yes")
    assert desk.site().user(1, "north") is None
    (desk.folder / "site.toml").write_text(EMPTY)
    assert desk.says("site", "apply", "site.toml", "-y").endswith("2 changes\n")
    assert not desk.site().clients


def test_on_a_terminal_it_asks_and_names_what_would_go(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients and users are removed only after a yes."""
    desk.says("site", "apply", "site.toml")
    (desk.folder / "site.toml").write_text(EMPTY)
    monkeypatch.setattr("floorcast.cli.site.is_terminal", lambda: True)
    with pytest.raises(SettingError, match=r"nothing was changed$"):
        desk.does("site", "apply", "site.toml", types="n\n")
    result = desk.does("site", "apply", "site.toml", types="y\n")
    assert "site.toml removes:\n  client 1 ACME\n  client 2 ACME West\n" in result.stderr
    assert not desk.site().clients


def test_a_dry_run_prints_what_would_change_and_changes_nothing(desk: Desk) -> None:
    """Removals are listed without a question, and the audit log gets no line."""
    desk.says("site", "apply", "site.toml")
    before = desk.says("audit", "--json")
    (desk.folder / "site.toml").write_text(EMPTY)
    said = desk.says("site", "apply", "site.toml", "--dry-run").splitlines()
    assert [line.split()[0] for line in said[:2]] == ["removed", "removed"]
    assert said[-1] == "2 changes; nothing was changed (--dry-run)"
    assert set(desk.site().clients) == {1, 2}
    assert desk.says("audit", "--json") == before
