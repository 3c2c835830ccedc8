"""Tests of the client's protocol before any request is sent."""

from __future__ import annotations

import pytest
from msgspec import structs

from floorcast.client.client_protocol import ClientProtocol
from floorcast.client.timing import Timing
from floorcast.model.errors import SettingError
from tests.client.simulated_server import CREDENTIALS


def test_address_is_validated_before_any_request() -> None:
    """The address is stored without its trailing slash."""
    assert ClientProtocol("https://host/reporting/", None, None, Timing()).url.endswith("reporting")
    with pytest.raises(SettingError, match="must be like https://HOST:PORT"):
        ClientProtocol("localhost:8080", CREDENTIALS, None, Timing())


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "schlüssel"])
def test_token_or_session_invalid_in_a_header_is_refused(token: str) -> None:
    """Otherwise, the error would look like a connection that fails repeatedly."""
    with pytest.raises(SettingError, match="the session is empty or contains"):
        ClientProtocol("http://host", None, token, Timing())
    with pytest.raises(SettingError, match="API token"):
        ClientProtocol("http://host", structs.replace(CREDENTIALS, api_token=token), None, Timing())


def test_traceback_shows_no_secrets() -> None:
    """Credentials are printed with the client's and user's names, but no secrets."""
    assert repr(CREDENTIALS) == str(CREDENTIALS) == "Credentials(client='ACME', user='reports')"
