"""What a conversation is made of, before it says anything."""

from __future__ import annotations

import pytest
from msgspec import structs

from floorcast.client.conversation import Conversation, Timing
from floorcast.errors import SettingError
from tests.client.world import CREDENTIALS


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8080",
        "ftp://host",
        "http://",
        "http://host:port",
        "http://host?x=1",
        "http://user:secret@host",
        "http://[::1",
    ],
)
def test_an_address_that_cannot_be_one_is_refused_at_once(url: str) -> None:
    """Not waited for as if the server were away."""
    with pytest.raises(SettingError, match="must be like https://HOST:PORT") as caught:
        Conversation(url, CREDENTIALS, None, Timing())
    assert "secret" not in str(caught.value)


def test_an_address_may_have_a_path_and_a_slash_at_its_end() -> None:
    """As behind a proxy that shares a host."""
    conversation = Conversation("https://host/reporting/", None, None, Timing())
    assert conversation.url == "https://host/reporting"


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "schlüssel"])
def test_an_api_token_or_session_that_no_header_can_carry_is_refused(token: str) -> None:
    """It would be taken for a connection that fails, again and again."""
    with pytest.raises(SettingError, match="the session is empty, or has"):
        Conversation("http://host", None, token, Timing())
    with pytest.raises(SettingError, match="API token"):
        Conversation("http://host", structs.replace(CREDENTIALS, api_token=token), None, Timing())


def test_a_traceback_shows_no_secrets() -> None:
    """Credentials print as whose they are, not as what opens."""
    assert repr(CREDENTIALS) == str(CREDENTIALS) == "Credentials(client='ACME', user='reports')"
