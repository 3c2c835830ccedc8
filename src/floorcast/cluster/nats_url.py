"""Reading ``nats://[user:password@]host[:port],…``."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from floorcast.model.errors import SettingError

__all__ = ["Login", "read_url", "shown"]


class Login(NamedTuple):
    """How the servers are told who connects; None: not so."""

    user: str | None = None
    password: str | None = None
    token: str | None = None


def read_url(url: str) -> tuple[list[str], Login]:
    """The servers, each with its scheme, and the login in front of the first.

    Raises SettingError when a port is none.
    """
    scheme, _, rest = url.partition("://")
    login, _, hosts = rest.rpartition("@")
    servers = [f"{scheme}://{host}" for host in hosts.split(",")]
    for server in servers:
        try:
            urlsplit(server).port  # noqa: B018 — it is read to be checked
        except ValueError as error:
            raise SettingError(f"log: {shown(server)}: {error}") from error
    user, colon, password = login.partition(":")
    if colon:
        return servers, Login(unquote(user), unquote(password))
    return servers, Login(token=unquote(user) or None)


def shown(server: str) -> str:
    """A server without its scheme and without a login, for people to read."""
    return server.rpartition("@")[2].rpartition("://")[2]
