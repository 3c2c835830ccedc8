"""``floorcast user``."""

from __future__ import annotations

from pathlib import Path

import pytest

from floorcast.model.errors import InvalidParameter, NotFound
from floorcast.site.configuration import CenterOf
from tests.cli.desk import Desk
from tests.site.sites import CHEAP, SMALL


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return a desk with the small site applied."""
    desk = Desk(tmp_path, monkeypatch)
    desk.says("site", "apply", "site.toml")
    return desk


def test_a_user_is_made_with_a_password_from_standard_input(desk: Desk) -> None:
    """The user gets the next free id, roles are not case-sensitive, and no password is printed."""
    said = desk.says(
        "user", "add", "eve", "--role", "report admin", "--client", "ACME", types="a long secret\n"
    )
    assert said == "user 303 eve of client ACME can now log in\n"
    user = desk.site().user(1, "eve")
    assert user is not None
    assert (user.id, user.role, user.call_centers) == (303, "Report Admin", None)
    assert CHEAP.verify(user.password_hash, "a long secret")


def test_a_user_may_have_an_id_and_a_limit(desk: Desk) -> None:
    """Call centers can be the client's or a child client's. The client can be given by its id."""
    words = ("user", "add", "eve", "--role", "Manager", "--client", "1", "--user-id", "7")
    desk.says(*words, "--call-center", "21", "--call-center", "11", types="a long secret")
    user = desk.site().user(1, "eve")
    assert user is not None
    assert (user.id, user.call_centers) == (7, (11, 21))
    desk.says(*words[:2], "bob", *words[3:-1], "8", "--call-center", "2/21", types="a long secret")
    bob = desk.site().user(1, "bob")
    assert bob is not None
    assert bob.call_centers == (CenterOf(client=2, id=21),)
    assert "2/21" in desk.says("user", "list", "--client", "1")
    assert "no call center 1/21" in desk.refused(
        *words, "--call-center", "1/21", types="a long secret"
    )
    assert "must be ID or CLIENT/ID" in desk.refused(
        *words, "--call-center", "West", types="a long secret"
    )
    assert "no call center 99" in desk.refused(*words, "--call-center", "99", types="a long secret")


@pytest.mark.parametrize(
    ("words", "types", "message"),
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
def test_a_wrong_option_says_what_would_do(
    desk: Desk, words: tuple[str, ...], types: str, message: str
) -> None:
    """No user is created."""
    assert message in desk.refused("user", "add", "eve", *words, types=types)
    assert desk.site().user(1, "eve") is None


def test_a_name_that_is_taken_is_refused(desk: Desk) -> None:
    """Users in the file and users created by commands both take a name."""
    with pytest.raises(InvalidParameter, match="client ACME already has a user reports"):
        desk.does(
            "user", "add", "reports", "--role", "Auditor", "--client", "1", types="a long secret"
        )


def test_the_only_client_need_not_be_named(desk: Desk) -> None:
    """Most sites have a single client."""
    (desk.folder / "site.toml").write_text(SMALL.partition("\n[[client]]\nid = 2")[0])
    desk.says("site", "apply", "site.toml", "--yes")
    desk.says("user", "add", "eve", "--role", "Auditor", types="a long secret")
    assert desk.site().user(1, "eve")


def test_users_are_listed_with_where_they_come_from(desk: Desk) -> None:
    """The list has the users and agents with logins, and their source, but no hashes."""
    desk.says("user", "add", "eve", "--role", "Auditor", "--client", "1", types="a long secret")
    assert desk.says("user", "list", "--client", "1").splitlines() == [
        "id   name     role      call centers  made by",
        "301  reports  Sysadmin  all           site file",
        "302  north    Manager   11            site file",
        "201  ANN      Agent     all           site file",
        "303  eve      Auditor   all           command",
    ]


def test_a_user_is_removed_and_stays_so(desk: Desk) -> None:
    """Users from the file also stay removed. An unknown user is an error."""
    said = desk.says("user", "remove", "reports", "--client", "1")
    assert said == "reports of client ACME can no longer log in\n"
    desk.says("site", "apply", "site.toml")
    assert desk.site().user(1, "reports") is None
    for words in (("reports",), ("BOB", "--agent")):
        with pytest.raises(NotFound, match=words[0]):
            desk.does("user", "remove", *words, "--client", "1")


def test_a_password_is_changed(desk: Desk) -> None:
    """The password of a user changes.

    An agent of the site gets one, and can log in from then on.
    """
    desk.says("user", "password", "reports", "--client", "1", types="their own secret\n")
    desk.says("user", "password", "BOB", "--agent", "--client", "1", types="bob's own secret\r\n")
    site = desk.site()
    reports, bob = site.user(1, "reports"), site.user(1, "BOB", agent=True)
    assert reports is not None
    assert bob is not None
    assert CHEAP.verify(reports.password_hash, "their own secret")
    assert CHEAP.verify(bob.password_hash, "bob's own secret")
    again = desk.refused("user", "password", "reports", "--client", "1", types="their own secret\n")
    assert "must not be the old password" in again
    with pytest.raises(NotFound, match="EVE"):
        desk.does("user", "password", "EVE", "--agent", "--client", "1", types="a long secret")
