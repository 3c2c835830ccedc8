"""Tests of ``floorcast user``."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from floorcast.kv.folder import open_kv
from floorcast.kv.port import Item
from floorcast.model.errors import InvalidParameter, NotFound
from floorcast.site.configuration import ClientCallCenter
from floorcast.site.store import MANUAL
from tests.cli.admin_commands import AdminCommands
from tests.site.sites import CHEAP, SMALL, run


@pytest.fixture
def admin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AdminCommands:
    """Return commands on a folder with the small site applied."""
    admin = AdminCommands(tmp_path, monkeypatch)
    admin.run("site", "apply", "site.toml")
    return admin


def test_user_is_created_with_a_password_from_standard_input(admin: AdminCommands) -> None:
    """The user gets the next free id, roles are not case-sensitive, and no password is printed."""
    output = admin.run(
        "user", "add", "eve", "--role", "report admin", "--client", "ACME", stdin="a long secret\n"
    )
    assert output == "user 303 eve of client ACME can now log in\n"
    user = admin.site().user(1, "eve")
    assert user is not None
    assert (user.id, user.role, user.call_centers) == (303, "Report Admin", None)
    assert CHEAP.verify(user.password_hash, "a long secret")


def test_user_can_have_an_id_and_call_centers(admin: AdminCommands) -> None:
    """Call centers can be the client's or a child client's. The client can be given by its id."""
    words = ("user", "add", "eve", "--role", "Manager", "--client", "1", "--user-id", "7")
    admin.run(*words, "--call-center", "21", "--call-center", "11", stdin="a long secret")
    user = admin.site().user(1, "eve")
    assert user is not None
    assert (user.id, user.call_centers) == (7, (11, 21))
    admin.run(*words[:2], "bob", *words[3:-1], "8", "--call-center", "2/21", stdin="a long secret")
    bob = admin.site().user(1, "bob")
    assert bob is not None
    assert bob.call_centers == (ClientCallCenter(client=2, id=21),)
    assert "2/21" in admin.run("user", "list", "--client", "1")
    assert "no call center 1/21" in admin.run_refused(
        *words, "--call-center", "1/21", stdin="a long secret"
    )
    assert "must be ID or CLIENT/ID" in admin.run_refused(
        *words, "--call-center", "West", stdin="a long secret"
    )
    assert "no call center 99" in admin.run_refused(
        *words, "--call-center", "99", stdin="a long secret"
    )


@pytest.mark.parametrize(
    ("words", "stdin", "message"),
    [
        (("--role", "Boss", "--client", "1"), "a long secret", "must be one of: Sysadmin, Super"),
        (("--role", "Auditor", "--client", "1"), "short", "it must have 12 to 1024 characters"),
        (("--role", "Auditor", "--client", "1"), "", "it must have 12 to 1024 characters"),
        (
            ("--role", "Auditor", "--client", "9"),
            "a long secret",
            "there is no client 9; the clients are",
        ),
        (("--role", "Auditor"), "a long secret", "name one of the clients: ACME, ACME West"),
        (("--client", "1"), "a long secret", "--role"),
    ],
)
def test_wrong_option_error_lists_valid_values(
    admin: AdminCommands, words: tuple[str, ...], stdin: str, message: str
) -> None:
    """No user is created."""
    assert message in admin.run_refused("user", "add", "eve", *words, stdin=stdin)
    assert admin.site().user(1, "eve") is None


@pytest.mark.parametrize("name", ["", "  ", "x" * 257, "eve\n", "\x1b[31meve"])
def test_name_that_cannot_be_used_is_refused(admin: AdminCommands, name: str) -> None:
    """The password is not asked for, and the site is still readable."""
    words = ("user", "add", name, "--role", "Auditor", "--client", "1")
    assert "NAME: must have 1 to 256 printable characters" in admin.run_refused(*words)
    assert admin.site().user(1, "reports")


def test_id_beyond_the_limit_is_refused(admin: AdminCommands) -> None:
    """The error names the option. After the largest id, the next free id is an error too."""
    words = ("user", "add", "eve", "--role", "Auditor", "--client", "1")
    error = admin.run_refused(*words, "--user-id", str(2**53 + 1), stdin="a long secret")
    assert "Invalid value for '--user-id'" in error
    admin.run(*words, "--user-id", str(2**53), stdin="a long secret")
    with pytest.raises(InvalidParameter, match="the change is invalid"):
        admin.invoke("user", "add", "bob", *words[3:], stdin="a long secret")
    assert admin.site().user(1, "eve")


def test_password_that_is_not_utf8_is_refused(
    admin: AdminCommands,
) -> None:
    """Requests are UTF-8, so nobody could log in with it."""
    words = ("user", "add", "eve", "--role", "Auditor", "--client", "1")
    assert "it must be UTF-8" in admin.run_refused(*words, stdin=b"a l\xffng secret")


def test_existing_name_is_refused(admin: AdminCommands) -> None:
    """Users in the file and users created by commands both take a name."""
    with pytest.raises(InvalidParameter, match="client ACME already has a user reports"):
        admin.invoke(
            "user", "add", "reports", "--role", "Auditor", "--client", "1", stdin="a long secret"
        )


def test_client_option_is_optional_with_one_client(admin: AdminCommands) -> None:
    """Most sites have a single client."""
    (admin.folder / "site.toml").write_text(SMALL.partition("\n[[client]]\nid = 2")[0])
    admin.run("site", "apply", "site.toml", "--yes")
    admin.run("user", "add", "eve", "--role", "Auditor", stdin="a long secret")
    assert admin.site().user(1, "eve")


def test_users_are_listed_with_their_source(admin: AdminCommands) -> None:
    """The list has the users and agents with logins, and their source, but no hashes."""
    admin.run("user", "add", "eve", "--role", "Auditor", "--client", "1", stdin="a long secret")
    assert admin.run("user", "list", "--client", "1").splitlines() == [
        "id   name     role      call centers  made by",
        "301  reports  Sysadmin  all           site file",
        "302  north    Manager   11            site file",
        "201  ANN      Agent     all           site file",
        "303  eve      Auditor   all           command",
    ]


def test_removed_user_stays_removed(admin: AdminCommands) -> None:
    """Users from the file also stay removed. An unknown user is an error."""
    output = admin.run("user", "remove", "reports", "--client", "1")
    assert output == "reports of client ACME can no longer log in\n"
    admin.run("site", "apply", "site.toml")
    assert admin.site().user(1, "reports") is None
    for words in (("reports",), ("BOB", "--agent")):
        with pytest.raises(NotFound, match=words[0]):
            admin.invoke("user", "remove", *words, "--client", "1")


def test_password_is_changed(admin: AdminCommands) -> None:
    """The password of a user changes.

    An agent of the site gets one, and can log in from then on.
    """
    admin.run("user", "password", "reports", "--client", "1", stdin="their own secret\n")
    admin.run("user", "password", "BOB", "--agent", "--client", "1", stdin="bob's own secret\r\n")
    site = admin.site()
    reports, bob = site.user(1, "reports"), site.user(1, "BOB", agent=True)
    assert reports is not None
    assert bob is not None
    assert CHEAP.verify(reports.password_hash, "their own secret")
    assert CHEAP.verify(bob.password_hash, "bob's own secret")
    again = admin.run_refused(
        "user", "password", "reports", "--client", "1", stdin="their own secret\n"
    )
    assert "must not be the old password" in again
    with pytest.raises(NotFound, match="EVE"):
        admin.invoke("user", "password", "EVE", "--agent", "--client", "1", stdin="a long secret")


def test_client_without_users_is_told_how_to_add_one(admin: AdminCommands) -> None:
    """An empty list names the command that fills it."""
    assert admin.run("user", "list", "--client", "2") == (
        "client ACME West has no users; add one: floorcast user add\n"
    )


@pytest.mark.parametrize(("user_id", "name"), [(7, ""), (2**60, "bob")])
def test_a_site_that_an_older_release_broke_works_again(
    admin: AdminCommands, user_id: int, name: str
) -> None:
    """An older release added a user whom no command could read. The next change removes it."""
    admin.run("user", "add", "ann", "--role", "Manager", "--client", "1", stdin="a long secret")
    kv = open_kv(admin.folder / "floorcast-data")
    raw = msgspec.json.decode(kv.get(MANUAL, "1") or b"")
    raw["users"].append({**raw["users"][0], "id": user_id, "name": name})
    run(kv.write([Item(MANUAL, "1", msgspec.json.encode(raw))]))
    run(kv.close())
    assert "ann" in admin.run("user", "list", "--client", "1")
    admin.run("site", "apply", "site.toml")
    admin.run("user", "remove", "ann", "--client", "1")
    kv = open_kv(admin.folder / "floorcast-data")
    assert msgspec.json.decode(kv.get(MANUAL, "1") or b"") == {}
    run(kv.close())
