"""Tests of ``floorcast site``."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from floorcast.kv.folder import open_kv
from floorcast.model.errors import SettingError
from floorcast.site.digests import digest, fingerprint
from floorcast.site.live_site import Site
from tests.cli.admin_commands import AdminCommands
from tests.site.sites import SMALL


@pytest.fixture
def admin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AdminCommands:
    """Return commands on an empty folder."""
    return AdminCommands(tmp_path, monkeypatch)


def test_apply_prints_what_changed(admin: AdminCommands) -> None:
    """It first lists new clients, then nothing, and then only the changes in the file."""
    output = admin.run("site", "apply", "site.toml").splitlines()
    assert output[0].split("  ")[0] == "added"
    assert output[-1] == "2 changes"
    assert set(admin.site().clients) == {1, 2}
    assert admin.run("site", "apply", "site.toml") == "nothing to change\n"
    text = SMALL.replace('"Help"', '"Assist the customers"').replace('"test-token-of-acme-02"', "")
    (admin.folder / "site.toml").write_text(text)
    changed = "client 1 ACME, service 102 Assist the customers"
    removed = f"client 2 ACME West, API token {fingerprint(digest('test-token-of-acme-02'))}"
    assert admin.run("site", "apply", "site.toml").splitlines() == [
        f"changed  {changed}  name Help → Assist the customers",
        f"removed  {removed}",
        "2 changes",
    ]


def test_running_server_sees_an_applied_site(admin: AdminCommands) -> None:
    """A process that has the folder open finds the new site at its next check."""
    admin.run("site", "apply", "site.toml")
    kv = open_kv(admin.folder / "floorcast-data")
    site = Site(kv)
    (admin.folder / "site.toml").write_text(SMALL.replace("Sales", "Sale"))
    admin.run("site", "apply", "site.toml")
    change = asyncio.run(site.refresh())
    assert change is not None
    assert list(change.floor_configs) == [1]
    asyncio.run(kv.close())


@pytest.mark.parametrize("command", ["apply", "check"])
def test_invalid_file_is_reported_and_changes_nothing(admin: AdminCommands, command: str) -> None:
    """Each mistake is reported with the file's name, the table and the key."""
    (admin.folder / "site.toml").write_text(SMALL.replace("Help", "Sales"))
    with pytest.raises(SettingError, match=r"^site\.toml: client 1, service Sales: the name is"):
        admin.invoke("site", command, "site.toml")
    with pytest.raises(SettingError, match=r"^none\.toml cannot be read"):
        admin.invoke("site", command, "none.toml")
    assert not (admin.folder / "floorcast-data").exists()


def test_check_summarizes_a_valid_file(admin: AdminCommands) -> None:
    """It lists what the file declares, without needing a data folder."""
    output = admin.run("site", "check", "site.toml")
    assert output.splitlines() == [
        "client 1 ACME       2 services  2 agents  2 users",
        "client 2 ACME West  0 services  0 agents  0 users",
        "site.toml is valid",
    ]
    assert not (admin.folder / "floorcast-data").exists()


def test_show_prints_the_site(admin: AdminCommands) -> None:
    """All clients or one client are shown, with numbers and names but no secrets."""
    admin.run("site", "apply", "site.toml")
    output = admin.run("site", "show")
    for part in (
        "client 1 ACME\n",
        "time zone    America/New_York",
        "feeds        agent, interaction",
        "agents       2, of whom 1 may log in",
        "call center  11  North",
        "service  101  Sales  call center 11  SLA 20 s, excluding_abandons_within_sla\n",
        "term codes   Paid",
        "client 2 ACME West\n",
        "parent       1",
        "term codes   the default ones",
    ):
        assert part in output
    for secret in ("test-token-of-acme-01", "ingest-key-of-acme-01", "correct horse", "argon2"):
        assert secret not in output
    assert "client 1" not in admin.run("site", "show", "--client", "2")


def test_data_folder_comes_from_the_server_settings(admin: AdminCommands) -> None:
    """The folder comes from --data, FLOORCAST_DATA or the settings file."""
    (admin.folder / "floorcast.toml").write_text('data = "from-file"')
    admin.run("site", "apply", "site.toml")
    admin.run("site", "apply", "site.toml", "--data", "from-flag")
    assert set(admin.site("from-file").clients) == set(admin.site("from-flag").clients) == {1, 2}


def test_show_without_a_site_is_an_error(admin: AdminCommands) -> None:
    """The error names the command that creates a site. A missing folder is not created."""
    with pytest.raises(SettingError, match="floorcast-data does not exist; did you mean another"):
        admin.invoke("site", "show")
    (admin.folder / "empty").mkdir()
    with pytest.raises(SettingError, match="holds no site yet: floorcast site apply FILE --data"):
        admin.invoke("site", "show", "--data", "empty")
    with pytest.raises(SettingError, match=":memory:"):
        admin.invoke("site", "show", "--data", ":memory:")
    assert not (admin.folder / "floorcast-data").exists()


def test_unsafe_file_permissions_cause_a_warning(admin: AdminCommands) -> None:
    """A file that others can read causes a warning, and check and apply continue."""
    (admin.folder / "site.toml").chmod(0o644)
    for command in ("check", "apply"):
        result = admin.invoke("site", command, "site.toml")
        assert result.exit_code == 0
        assert "warning: site.toml holds secrets and can be read by others" in result.stderr
    (admin.folder / "site.toml").chmod(0o600)
    assert admin.invoke("site", "check", "site.toml").stderr == ""


EMPTY = "# nothing yet\n"


def test_removals_need_confirmation(admin: AdminCommands) -> None:
    """An empty or half-written file changes nothing without confirmation. Scripts use --yes."""
    admin.run("site", "apply", "site.toml")
    (admin.folder / "site.toml").write_text(EMPTY)
    with pytest.raises(SettingError, match="nothing was changed: give --yes"):
        admin.invoke("site", "apply", "site.toml")
    assert set(admin.site().clients) == {1, 2}
    without = SMALL.replace(
        '{id = 302, name = "north", password = "battery staple", role = "Manager",'
        " call_centers = [11]},",
        "",
    )
    assert without != SMALL
    (admin.folder / "site.toml").write_text(without)
    with pytest.raises(SettingError, match="nothing was changed"):
        admin.invoke("site", "apply", "site.toml")
    assert admin.site().user(1, "north") is not None
    admin.run("site", "apply", "site.toml", "--yes")
    assert admin.site().user(1, "north") is None
    (admin.folder / "site.toml").write_text(EMPTY)
    assert admin.run("site", "apply", "site.toml", "-y").endswith("2 changes\n")
    assert not admin.site().clients


def test_removals_are_listed_and_confirmed_on_a_terminal(
    admin: AdminCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients and users are removed only after a yes."""
    admin.run("site", "apply", "site.toml")
    (admin.folder / "site.toml").write_text(EMPTY)
    monkeypatch.setattr("floorcast.cli.site.is_terminal", lambda: True)
    with pytest.raises(SettingError, match=r"nothing was changed$"):
        admin.invoke("site", "apply", "site.toml", stdin="n\n")
    result = admin.invoke("site", "apply", "site.toml", stdin="y\n")
    assert "site.toml removes:\n  client 1 ACME\n  client 2 ACME West\n" in result.stderr
    assert not admin.site().clients


def test_many_passwords_show_their_progress(
    admin: AdminCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hashing thousands takes minutes. The progress ends before the question about removals."""
    admin.run("site", "apply", "site.toml")
    many = "".join(
        f"""[[client.user]]
id = {1000 + number}
name = "user{number}"
password = "a secret of its own {number}"
role = "Manager"
"""
        for number in range(60)
    )
    (admin.folder / "site.toml").write_text(f"""[[client]]
id = 1
name = "ACME"
{many}""")
    (admin.folder / "site.toml").chmod(0o600)
    monkeypatch.setattr("floorcast.cli.site.is_terminal", lambda: True)
    lines = admin.invoke("site", "apply", "site.toml", stdin="y\n").stderr.splitlines()
    shown = [f"{count} of 60 passwords" for count in range(6, 61, 6)]
    assert lines[:10] == shown
    assert "site.toml removes:" in lines[10:]
    assert admin.invoke("site", "apply", "site.toml").stderr == ""


def test_dry_run_prints_changes_without_applying_them(admin: AdminCommands) -> None:
    """Removals are listed without a question, and the audit log gets no line."""
    admin.run("site", "apply", "site.toml")
    before = admin.run("audit", "--json")
    (admin.folder / "site.toml").write_text(EMPTY)
    output = admin.run("site", "apply", "site.toml", "--dry-run").splitlines()
    assert [line.split()[0] for line in output[:2]] == ["removed", "removed"]
    assert output[-1] == "2 changes; nothing was changed (--dry-run)"
    assert set(admin.site().clients) == {1, 2}
    assert admin.run("audit", "--json") == before


def test_site_without_clients_is_not_an_empty_output(admin: AdminCommands) -> None:
    """The commands say that there are no clients, and which command adds them."""
    (admin.folder / "none.toml").write_text("")
    assert admin.run("site", "check", "none.toml") == (
        "none.toml is valid, but declares no clients\n"
    )
    admin.run("site", "apply", "site.toml")
    admin.run("site", "apply", "none.toml", "--yes")
    assert admin.run("site", "show") == (
        "the site has no clients; add them: floorcast site apply FILE\n"
    )
