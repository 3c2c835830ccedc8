"""Tests of ``floorcast key``."""

from __future__ import annotations

from pathlib import Path

import pytest

from floorcast.auth.keys import KeyThrottle, KeyVerifier, is_api_token
from floorcast.model.errors import BadCredentials, InvalidParameter, NotFound, SettingError
from floorcast.model.token import system_now
from floorcast.site.digests import digest, fingerprint
from tests.cli.admin_commands import AdminCommands


@pytest.fixture
def admin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AdminCommands:
    """Return commands on a folder with the small site applied."""
    admin = AdminCommands(tmp_path, monkeypatch)
    admin.run("site", "apply", "site.toml")
    return admin


def test_new_ingest_key_is_the_only_output(admin: AdminCommands) -> None:
    """Standard output has only the key, for scripts. No file contains it."""
    result = admin.invoke("key", "new", "--client", "2")
    key = result.stdout.strip()
    assert result.stdout == f"{key}\n"
    assert "of client ACME West, shown only once" in result.stderr
    assert key not in result.stderr
    assert KeyVerifier(admin.site(), KeyThrottle(system_now)).client_of_ingest_key(key) == 2
    for file in (admin.folder / "floorcast-data").iterdir():
        assert key.encode() not in file.read_bytes()


def test_api_tokens_allow_login_and_are_limited_to_five(admin: AdminCommands) -> None:
    """A sixth token is refused, and the message says what to do."""
    keys = [admin.run("key", "new", "--api-token", "--client", "1").strip() for _ in range(4)]
    client = admin.site().clients[1]
    assert all(is_api_token(client, digest(key)) for key in [*keys, "test-token-of-acme-01"])
    with pytest.raises(InvalidParameter, match="5 API tokens, which is the limit; revoke one"):
        admin.invoke("key", "new", "--api-token", "--client", "1")


def test_keys_are_listed_by_fingerprint(admin: AdminCommands) -> None:
    """The list has each key's kind and source."""
    key = admin.run("key", "new", "--client", "1").strip()
    output = admin.run("key", "list", "--client", "1").splitlines()
    assert output[0] == "fingerprint   kind        made by"
    assert set(output[1:]) == {
        f"{fingerprint(digest('test-token-of-acme-01'))}  API token   site file",
        f"{fingerprint(digest('ingest-key-of-acme-01'))}  ingest key  site file",
        f"{fingerprint(digest(key))}  ingest key  command",
    }


def test_revoked_key_stays_revoked(admin: AdminCommands) -> None:
    """A key of the file stays revoked after the file is applied again.

    An unknown key is an error.
    """
    output = admin.run("key", "revoke", digest("ingest-key-of-acme-01")[:8], "--client", "1")
    assert (
        output
        == f"{fingerprint(digest('ingest-key-of-acme-01'))} of client ACME is no longer accepted\n"
    )
    admin.run("site", "apply", "site.toml")
    with pytest.raises(BadCredentials):
        KeyVerifier(admin.site(), KeyThrottle(system_now)).client_of_ingest_key(
            "ingest-key-of-acme-01"
        )
    with pytest.raises(NotFound, match="has no key 123456"):
        admin.invoke("key", "revoke", "123456", "--client", "1")


def test_metrics_key_cannot_send_events(admin: AdminCommands) -> None:
    """A metrics key cannot send events. It is listed and revoked like other keys."""
    key = admin.run("key", "new", "--metrics", "--client", "2").strip()
    keys = KeyVerifier(admin.site(), KeyThrottle(system_now))
    assert keys.client_of_metrics_key(key) == 2
    with pytest.raises(BadCredentials, match="the ingest key is not one of this server's"):
        keys.client_of_ingest_key(key)
    named = fingerprint(digest(key))
    assert f"{named}  metrics key  command" in admin.run("key", "list", "--client", "2")
    admin.run("key", "revoke", named, "--client", "2")
    with pytest.raises(BadCredentials, match="the metrics key is not one of this server's"):
        KeyVerifier(admin.site(), KeyThrottle(system_now)).client_of_metrics_key(key)
    refused = admin.run_refused("key", "new", "--metrics", "--screen", "--client", "2")
    assert "different kinds of key" in refused


def test_screen_key_is_printed_as_a_link(admin: AdminCommands) -> None:
    """Call centers and services, even those of child clients, can be given by id or name."""
    shown = ("--call-center", "North", "--service", "102", "--call-center", "21")
    result = admin.invoke("key", "new", "--screen", "--client", "1", *shown)
    path, key = result.stdout.strip().split("#key=")
    assert path == "/wallboard"
    assert "shows call centers 11, 21; service 102" in " ".join(result.stderr.split())
    assert key not in result.stderr
    client, screen = KeyVerifier(admin.site(), KeyThrottle(system_now)).screen(key)
    assert (client, screen.call_centers, screen.services) == (1, (11, 21), (102,))
    named = fingerprint(digest(key))
    listed = admin.run("key", "list", "--client", "1")
    assert f"{named}  screen key: call centers 11, 21; service 102  command" in listed
    admin.run("site", "apply", "site.toml")
    admin.run("key", "revoke", named, "--client", "1")
    assert named not in admin.run("key", "list", "--client", "1")
    with pytest.raises(BadCredentials):
        KeyVerifier(admin.site(), KeyThrottle(system_now)).screen(key)


def test_screen_key_without_an_address_says_what_to_prepend(admin: AdminCommands) -> None:
    """The link alone does not work in a browser."""
    result = admin.invoke("key", "new", "--screen", "--client", "1")
    assert result.stdout.startswith("/wallboard#key=")
    assert "put the server's address before the link" in result.stderr
    result = admin.invoke("key", "new", "--screen", "--client", "1", "--url", "https://a.test")
    assert "before the link" not in result.stderr


@pytest.mark.parametrize("url", ["floor", "http://h:99999", "https://a.test/#x"])
def test_screen_key_with_an_invalid_address_is_not_created(admin: AdminCommands, url: str) -> None:
    """The link would open nothing, and the key is shown only once."""
    with pytest.raises(SettingError, match="the server's address must be like"):
        admin.invoke("key", "new", "--screen", "--client", "1", "--url", url)
    assert "screen key" not in admin.run("key", "list", "--client", "1")


def test_screen_key_without_a_selection_shows_everything(admin: AdminCommands) -> None:
    """Selections that a screen cannot show, and options of other keys, are refused."""
    url = "https://floor.example.org/"
    link = admin.run("key", "new", "--screen", "--client", "1", "--url", url).strip()
    assert link.startswith("https://floor.example.org/wallboard#key=")
    assert "screen key: everything" in admin.run("key", "list", "--client", "1")
    output = admin.run_refused("key", "new", "--screen", "--client", "1", "--service", "Sails")
    assert "declares no service Sails; it declares Sales (101), Help (102)" in output
    assert "needs --screen" in admin.run_refused(
        "key", "new", "--client", "1", "--service", "Sales"
    )
    assert "give only one" in admin.run_refused("key", "new", "--screen", "--api-token")


def test_client_without_keys_is_told_how_to_create_one(admin: AdminCommands) -> None:
    """An empty list names the command that fills it."""
    admin.run("key", "revoke", "--client", "2", fingerprint(digest("test-token-of-acme-02")))
    assert admin.run("key", "list", "--client", "2") == (
        "client ACME West has no keys; create one: floorcast key new\n"
    )


def test_the_environment_of_tail_and_top_does_not_disturb(
    admin: AdminCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their API token and URL are in variables that are named like options of ``key new``."""
    token = "a-token-that-must-not-be-shown"
    monkeypatch.setenv("FLOORCAST_API_TOKEN", token)
    monkeypatch.setenv("FLOORCAST_URL", "http://127.0.0.1:8090")
    result = admin.invoke("key", "new", "--client", "1")
    assert result.exit_code == 0
    assert result.stderr.startswith("ingest key ")
    assert token not in result.output
    made = admin.invoke("key", "new", "--client", "1", "--api-token")
    assert made.stderr.startswith("API token ")
    assert "http://127.0.0.1:8090/wallboard" in admin.run("key", "new", "--client", "1", "--screen")
