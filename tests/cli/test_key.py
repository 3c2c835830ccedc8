"""``floorcast key``."""

from __future__ import annotations

from pathlib import Path

import pytest

from floorcast.auth.keys import KeyGuesses, Keys, is_api_token
from floorcast.model.errors import BadCredentials, InvalidParameter, NotFound
from floorcast.model.token import system_now
from floorcast.site.digests import digest, fingerprint
from tests.cli.desk import Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return a desk with the small site applied."""
    desk = Desk(tmp_path, monkeypatch)
    desk.says("site", "apply", "site.toml")
    return desk


def test_a_new_ingest_key_is_printed_once_and_alone(desk: Desk) -> None:
    """Standard output has only the key, for scripts. No file contains it."""
    result = desk.does("key", "new", "--client", "2")
    key = result.stdout.strip()
    assert result.stdout == f"{key}\n"
    assert "of client ACME West, shown only once" in result.stderr
    assert key not in result.stderr
    assert Keys(desk.site(), KeyGuesses(system_now)).client_of_ingest_key(key) == 2
    for file in (desk.folder / "floorcast-data").iterdir():
        assert key.encode() not in file.read_bytes()


def test_a_new_api_token_opens_the_login_and_no_more_than_five(desk: Desk) -> None:
    """A sixth token is refused, and the message says what to do."""
    keys = [desk.says("key", "new", "--api-token", "--client", "1").strip() for _ in range(4)]
    client = desk.site().clients[1]
    assert all(is_api_token(client, digest(key)) for key in [*keys, "test-token-of-acme-01"])
    with pytest.raises(InvalidParameter, match="5 API tokens, which is the limit; revoke one"):
        desk.does("key", "new", "--api-token", "--client", "1")


def test_keys_are_listed_by_fingerprint(desk: Desk) -> None:
    """The list has each key's kind and source."""
    key = desk.says("key", "new", "--client", "1").strip()
    said = desk.says("key", "list", "--client", "1").splitlines()
    assert said[0] == "fingerprint   kind        made by"
    assert set(said[1:]) == {
        f"{fingerprint(digest('test-token-of-acme-01'))}  API token   site file",
        f"{fingerprint(digest('ingest-key-of-acme-01'))}  ingest key  site file",
        f"{fingerprint(digest(key))}  ingest key  command",
    }


def test_a_revoked_key_is_not_accepted_again(desk: Desk) -> None:
    """A key of the file stays revoked after the file is applied again.

    An unknown key is an error.
    """
    said = desk.says("key", "revoke", digest("ingest-key-of-acme-01")[:8], "--client", "1")
    assert (
        said
        == f"{fingerprint(digest('ingest-key-of-acme-01'))} of client ACME is no longer accepted\n"
    )
    desk.says("site", "apply", "site.toml")
    with pytest.raises(BadCredentials):
        Keys(desk.site(), KeyGuesses(system_now)).client_of_ingest_key("ingest-key-of-acme-01")
    with pytest.raises(NotFound, match="has no key 123456"):
        desk.does("key", "revoke", "123456", "--client", "1")


def test_a_metrics_key_is_of_one_kind_and_is_listed_and_revoked(desk: Desk) -> None:
    """A metrics key cannot send events. It is listed and revoked like other keys."""
    key = desk.says("key", "new", "--metrics", "--client", "2").strip()
    keys = Keys(desk.site(), KeyGuesses(system_now))
    assert keys.client_of_metrics_key(key) == 2
    with pytest.raises(BadCredentials, match="the ingest key is not one of this server's"):
        keys.client_of_ingest_key(key)
    named = fingerprint(digest(key))
    assert f"{named}  metrics key  command" in desk.says("key", "list", "--client", "2")
    desk.says("key", "revoke", named, "--client", "2")
    with pytest.raises(BadCredentials, match="the metrics key is not one of this server's"):
        Keys(desk.site(), KeyGuesses(system_now)).client_of_metrics_key(key)
    refused = desk.refused("key", "new", "--metrics", "--screen", "--client", "2")
    assert "different kinds of key" in refused


def test_a_screen_key_is_a_link_that_is_listed_and_revoked(desk: Desk) -> None:
    """Call centers and services, even those of child clients, can be given by id or name."""
    shown = ("--call-center", "North", "--service", "102", "--call-center", "21")
    result = desk.does("key", "new", "--screen", "--client", "1", *shown)
    path, key = result.stdout.strip().split("#key=")
    assert path == "/wallboard"
    assert "shows call centers 11, 21; service 102" in " ".join(result.stderr.split())
    assert key not in result.stderr
    client, screen = Keys(desk.site(), KeyGuesses(system_now)).screen(key)
    assert (client, screen.call_centers, screen.services) == (1, (11, 21), (102,))
    named = fingerprint(digest(key))
    listed = desk.says("key", "list", "--client", "1")
    assert f"{named}  screen key: call centers 11, 21; service 102  command" in listed
    desk.says("site", "apply", "site.toml")
    desk.says("key", "revoke", named, "--client", "1")
    assert named not in desk.says("key", "list", "--client", "1")
    with pytest.raises(BadCredentials):
        Keys(desk.site(), KeyGuesses(system_now)).screen(key)


def test_a_screen_key_without_a_choice_shows_everything_at_the_address_given(desk: Desk) -> None:
    """Selections that a screen cannot show, and options of other keys, are refused."""
    url = "https://floor.example.org/"
    link = desk.says("key", "new", "--screen", "--client", "1", "--url", url).strip()
    assert link.startswith("https://floor.example.org/wallboard#key=")
    assert "screen key: everything" in desk.says("key", "list", "--client", "1")
    said = desk.refused("key", "new", "--screen", "--client", "1", "--service", "Sails")
    assert "declares no service Sails; it declares Sales (101), Help (102)" in said
    assert "needs --screen" in desk.refused("key", "new", "--client", "1", "--service", "Sales")
    assert "give only one" in desk.refused("key", "new", "--screen", "--api-token")
