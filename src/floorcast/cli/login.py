"""What ``tail`` and ``top`` share: the server's address, credentials and filters."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from floorcast.cli.progress_bar import recovery_line, wait_line
from floorcast.cli.status_line import print_status
from floorcast.config.sources import SECRETS
from floorcast.model.errors import (
    WRONG_CLIENT,
    WRONG_LOGIN,
    BadCredentials,
    SettingError,
)

if TYPE_CHECKING:
    from floorcast.client import Credentials, Filter

__all__ = [
    "ApiTokenOption",
    "FilterOption",
    "LoginClientOption",
    "PasswordOption",
    "UrlOption",
    "UserOption",
    "naming_login_options",
    "read_credentials",
    "read_filter",
    "report_recovery",
    "report_wait",
]

UrlOption = Annotated[str, typer.Option(metavar="URL", help="The server.")]
LoginClientOption = Annotated[str, typer.Option(metavar="NAME|ID", help="The client.")]
UserOption = Annotated[
    str, typer.Option(metavar="NAME", help="The name of one of the client's users.")
]
PasswordOption = Annotated[
    str,
    typer.Option(
        metavar="PASSWORD",
        help="The user's password. If it is missing, the command prompts for it on a terminal. "
        "Other users can see command lines, so prefer FLOORCAST_PASSWORD.",
    ),
]
ApiTokenOption = Annotated[
    str,
    typer.Option(
        metavar="TOKEN",
        help="An API token of the client (LV-Access). Other users can see command lines, so prefer "
        "FLOORCAST_API_TOKEN.",
    ),
]
FilterOption = Annotated[
    list[str] | None,
    typer.Option("--filter", metavar="KIND=NAME|ID,…", help="Show only these; can be repeated."),
]

_KINDS = {
    "service": "service",
    "callCenter": "call_center",
    "interactionType": "interaction_type",
}


def read_credentials(
    client: str, user: str, password: str, api_token: str, url: str
) -> Credentials:
    """Return the credentials for ``url``. Prompts for a missing password on a terminal.

    Raises SettingError, which says how to set it, if another option is missing.
    """
    from floorcast.client import Credentials

    given = {"--client": client, "--user": user, "--api-token": api_token}
    for option, value in given.items():
        if not value:
            raise _missing_option(option)
    if not password and sys.stdin.isatty():
        password = typer.prompt(f"Password of {user} at {url}", hide_input=True, err=True)
    if not password:
        raise _missing_option("--password")
    return Credentials(client=client, user=user, password=password, api_token=api_token)


@contextmanager
def naming_login_options(client: str, option: str = "--password") -> Iterator[None]:
    """Raise SettingError with the names of the options instead of the API's for a wrong login."""
    messages = {
        WRONG_CLIENT: f"the API token is not one of client {client}'s",
        WRONG_LOGIN: f"the user or the password is wrong (--user, {option})",
    }
    try:
        yield
    except BadCredentials as error:
        if error.message not in messages:
            raise
        raise SettingError(messages[error.message]) from error


def read_filter(given: Sequence[str], *kinds: str) -> Filter:
    """Return the filter for ``kind=value,value`` options.

    Raises ``typer.BadParameter`` for a kind that is not one of ``kinds``.
    """
    from floorcast.client import Filter

    found: dict[str, tuple[str, ...]] = {}
    for one in given:
        kind, _, values = one.partition("=")
        wanted = tuple(value.strip() for value in values.split(",") if value.strip())
        if kind.strip() not in kinds or not wanted:
            raise typer.BadParameter(
                f"must be KIND=VALUE,… with one of the kinds {', '.join(kinds)}, not {one!r}",
                param_hint="--filter",
            )
        name = _KINDS[kind.strip()]
        found[name] = found.get(name, ()) + wanted
    return Filter(**found)


def report_wait(seconds: float, why: str) -> None:
    """Report the reason for a wait and its duration on standard error."""
    from floorcast.model.text import printable

    print_status(f"floorcast: {wait_line(seconds, printable(why))}", error=True)


def report_recovery(seconds: float) -> None:
    """Report on standard error that the server responds again."""
    print_status(f"floorcast: {recovery_line(seconds)}", error=True)


def _missing_option(option: str) -> SettingError:
    name = option.removeprefix("--").replace("-", "_")
    how = "set" if name in SECRETS else "give it, or set"  # others can see the command line
    return SettingError(f"{option} is missing: {how} FLOORCAST_{name.upper()}")
