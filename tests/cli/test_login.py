"""Tests of the login and filter options that ``tail`` and ``top`` share."""

from __future__ import annotations

import pytest
import typer

from floorcast.cli.login import read_credentials, read_filter
from floorcast.client import Credentials, Filter
from floorcast.model.errors import SettingError


def test_given_options_are_used_for_the_login() -> None:
    """Each option is used as given."""
    found = read_credentials("ACME", "reports", "secret", "token", "http://here")
    wanted = Credentials(client="ACME", user="reports", password="secret", api_token="token")
    assert found == wanted


@pytest.mark.parametrize("missing", ["client", "user", "password", "api_token"])
def test_missing_option_is_named_with_its_variable(missing: str) -> None:
    """Nobody can be prompted, because pytest's standard input is not a terminal."""
    given = {"client": "ACME", "user": "reports", "password": "secret", "api_token": "token"}
    option = f"--{missing.replace('_', '-')}"
    how = "give it, or set" if missing in {"client", "user"} else "set"
    with pytest.raises(SettingError) as caught:
        read_credentials(**{**given, missing: ""}, url="http://here")
    assert str(caught.value) == f"{option} is missing: {how} FLOORCAST_{missing.upper()}"


def test_filter_options_take_comma_separated_values() -> None:
    """Values are separated by commas, and each kind has its own option. Spaces are ignored."""
    found = read_filter(
        ["service=1, 2", "callCenter = 3", "service=4", "interactionType=SMS"],
        "service", "callCenter", "interactionType",
    )  # fmt: skip
    assert found == Filter(service=("1", "2", "4"), call_center=("3",), interaction_type=("SMS",))
    assert read_filter([], "service") == Filter()


@pytest.mark.parametrize("given", ["services=1", "service", "service=", "callCenter=1", "=1", ""])
def test_misspelt_filter_is_refused(given: str) -> None:
    """An ignored filter would widen the selection."""
    with pytest.raises(typer.BadParameter, match="one of the kinds service, not"):
        read_filter([given], "service")


def test_password_prompt_names_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The prompt is hidden and on standard error. The URL may have come from a file."""
    prompted: dict[str, object] = {}

    def prompt(text: str, **how: object) -> str:
        prompted.update(how, text=text)
        return "a secret"

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(typer, "prompt", prompt)
    assert read_credentials("ACME", "reports", "", "token", "http://there").password == "a secret"
    text = "Password of reports at http://there"
    assert prompted == {"text": text, "hide_input": True, "err": True}
