"""The address of a NATS cluster, as people write it."""

from __future__ import annotations

import pytest

from floorcast.cluster.nats_url import Login, read_url, shown
from floorcast.model.errors import SettingError


@pytest.mark.parametrize(
    ("url", "servers", "login"),
    [
        ("nats://a", ["nats://a"], Login()),
        ("nats://a:1,b:2", ["nats://a:1", "nats://b:2"], Login()),
        ("nats://u:p%40s@a,b", ["nats://a", "nats://b"], Login("u", "p@s")),
        ("nats://token@a", ["nats://a"], Login(token="token")),
    ],
)
def test_a_url_names_servers_and_one_login(url: str, servers: list[str], login: Login) -> None:
    """The login in front of the first counts for all; a name alone is a token."""
    assert read_url(url) == (servers, login)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nats://127.0.0.1:99999", "127.0.0.1:99999: Port out of range"),
        ("nats://u:secret@127.0.0.1:x", "127.0.0.1:x: Port could not be cast"),
    ],
)
def test_a_url_that_cannot_be_one_is_told(url: str, said: str) -> None:
    """With the server that is meant, and without the password."""
    with pytest.raises(SettingError, match=said) as error:
        read_url(url)
    assert "secret" not in str(error.value)


def test_what_people_read_names_no_login() -> None:
    """Host and port."""
    assert shown("nats://u:secret@a:4222") == "a:4222"
