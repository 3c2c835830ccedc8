"""Parses ``nats://[user:password@]host[:port],…[?option=value&…]`` into servers and a login."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from floorcast.model.errors import SettingError
from floorcast.model.system_errors import describe_error

__all__ = ["NatsLogin", "connect_options", "display_address", "parse_url"]

FILE_OPTIONS: Final = ("credentials", "nkey", "ca", "cert", "key")
PORT_OPTIONS: Final = ("monitor", "routes")


class NatsLogin(NamedTuple):
    """A node's credentials for the NATS servers. Members that are not set are None.

    ``credentials`` is the path of a file with a user's JWT and seed, and ``nkey`` the path of a
    file with a seed. ``ca`` is a file with the authorities that sign the servers' certificates.
    ``cert`` and ``key`` are the files of this node's own certificate. The servers' configuration
    can be checked at their ports ``monitor`` and ``routes``.
    """

    user: str | None = None
    password: str | None = None
    token: str | None = None
    credentials: str | None = None
    nkey: str | None = None
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    monitor: int = 8222
    routes: int = 6222


def parse_url(url: str) -> tuple[list[str], NatsLogin]:
    """Return the servers, each with its scheme, and the login.

    The user and password precede the first host. Other credentials come from the options. Raises
    SettingError for an invalid port or an unknown option.
    """
    address, _, query = url.partition("?")
    scheme, _, rest = address.partition("://")
    login, _, hosts = rest.rpartition("@")
    servers = [f"{scheme}://{host}" for host in hosts.split(",")]
    for server in servers:
        try:
            urlsplit(server).port  # noqa: B018 — reading it validates it
        except ValueError as error:
            raise SettingError(f"log: {display_address(server)}: {error}") from error
    options = _options(query)
    user, colon, password = login.partition(":")
    if colon:
        return servers, NatsLogin(unquote(user), unquote(password), **options)
    return servers, NatsLogin(token=unquote(user) or None, **options)


def display_address(server: str) -> str:
    """Return a server without its scheme and login, for display."""
    return server.rpartition("@")[2].rpartition("://")[2]


def connect_options(servers: list[str], login: NatsLogin) -> dict[str, Any]:
    """Return the login options for nats-py. Raises SettingError if a file cannot be used."""
    options: dict[str, Any] = {
        "user": login.user,
        "password": login.password,
        "token": login.token,
    }
    if login.credentials:
        options["user_credentials"] = _existing_file("credentials", login.credentials)
    if login.nkey:
        options["nkeys_seed"] = _existing_file("nkey", login.nkey)
    if login.ca or login.cert or any(server.startswith("tls://") for server in servers):
        options["tls"] = _tls_context(login)
    return options


def _options(query: str) -> dict[str, Any]:
    found: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
    for name, value in found.items():
        if (
            not value
            or name not in FILE_OPTIONS + PORT_OPTIONS
            or (name in PORT_OPTIONS and not value.isdecimal())
        ):
            raise SettingError(
                f"log: ?{name}=… is not an option of a cluster's address: expected "
                f"{', '.join(FILE_OPTIONS)}, each with the path of a file, "
                f"or {', '.join(PORT_OPTIONS)}, each with a port"
            )
    found |= {name: int(found[name]) for name in PORT_OPTIONS if name in found}
    if ("key" in found) != ("cert" in found):
        raise SettingError("log: ?cert=… and ?key=… go together: expected both, or neither")
    return found


def _tls_context(login: NatsLogin) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=login.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if login.cert:
            context.load_cert_chain(login.cert, login.key)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(name for name in (login.ca, login.cert, login.key) if name)
        raise SettingError(
            f"log: {files} cannot be used for TLS: {describe_error(error)}"
        ) from error
    return context


def _existing_file(option: str, path: str) -> str:
    if not Path(path).is_file():
        raise SettingError(f"log: ?{option}={path}: there is no such file")
    return path
