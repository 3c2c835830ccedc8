"""Tests of valid and invalid server addresses."""

from __future__ import annotations

import pytest

from floorcast.client.address import check_address
from floorcast.model.errors import SettingError


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8080",
        "ftp://host",
        "http://",
        "http://:x",
        "http://host:port",
        "http://host:0",
        "http://host?x=1",
        "http://user:secret@host",
        "http://[::1",
        "http://two..dots",
        "http://xn--/",
        f"http://{'long' * 20}.example",
    ],
)
def test_invalid_address_is_refused_immediately(url: str) -> None:
    """The client does not retry as if the server were down."""
    with pytest.raises(SettingError, match="must be like https://HOST:PORT") as caught:
        check_address(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://host/reporting/", "http://[::1]:8080", "http://münchen.example"]
)
def test_address_can_have_a_path_and_a_trailing_slash(url: str) -> None:
    """A proxy can serve several servers at different paths. The host name can be in any script."""
    assert check_address(url) == url.rstrip("/")
