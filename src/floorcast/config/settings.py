"""The name, meaning and allowed values of each setting.

``Settings`` is the only list of settings. ``--help`` is generated from it, and a test compares it
with ``docs/settings.md``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, NamedTuple, get_type_hints

from msgspec import Struct, structs

from floorcast.config.kinds import (
    ARCHIVE,
    CLIENTS,
    HOST,
    LOG,
    PATH,
    PORT,
    PROXIES,
    SIZE,
    TEXT,
    Kind,
    choice,
    number,
    whole,
)

__all__ = ["SETTINGS", "Setting", "Settings"]


class About(NamedTuple):
    """The description of a setting. ``unit`` is empty if there is none."""

    kind: Kind
    meaning: str
    unit: str = ""


class Settings(Struct, frozen=True, kw_only=True):
    """All settings, checked."""

    data: Annotated[
        Path,
        About(PATH, "The folder for the log, the site and the sessions; :memory: keeps nothing."),
    ] = Path("floorcast-data")
    site: Annotated[
        Path | None,
        About(
            PATH,
            "The site file to apply at the start. Without it, the server uses the site that was "
            "applied last.",
        ),
    ] = None
    host: Annotated[str, About(HOST, "The address to listen on; 0.0.0.0 for all addresses.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, About(PORT, "The port to listen on; 0 for any free port.")] = 8080
    tls_cert: Annotated[
        Path | None,
        About(
            PATH,
            "The certificate chain (PEM). With it the server accepts only HTTPS, with TLS 1.2 or "
            "later. Both files are reloaded when they change, and on SIGHUP.",
        ),
    ] = None
    tls_key: Annotated[Path | None, About(PATH, "The certificate's key (PEM, not encrypted).")] = (
        None
    )
    log: Annotated[
        str,
        About(LOG, "Where events are stored: embedded in the data folder, or in a NATS cluster."),
    ] = "embedded"
    node: Annotated[
        str,
        About(TEXT, "The name of this node in the cluster. Default: the host name."),
    ] = ""
    streams: Annotated[
        int,
        About(
            whole(1, 256),
            "The number of streams over which the clients of a cluster are distributed. Cannot be "
            "changed after the log is created.",
            "streams",
        ),
    ] = 4
    replicas: Annotated[
        int,
        About(
            whole(1, 5),
            "The number of NATS servers that store a new log. An event is acknowledged after more "
            "than half of them have stored it.",
            "replicas",
        ),
    ] = 3
    clients: Annotated[
        tuple[int, ...],
        About(CLIENTS, "The clients that this node of a cluster serves. Default: all."),
    ] = ()
    log_level: Annotated[
        str,
        About(
            choice("debug", "info", "warning", "error"), "The lowest level that the server logs."
        ),
    ] = "info"
    log_format: Annotated[
        str,
        About(
            choice("auto", "text", "json"),
            "The format of the server's log; auto is text on a terminal and JSON elsewhere.",
        ),
    ] = "auto"
    rate_limit: Annotated[
        int,
        About(
            whole(0, 1_000_000),
            "The number of requests that a session can make; further requests get 429. 0 for no "
            "limit.",
            "requests a minute",
        ),
    ] = 0
    session_readers: Annotated[
        int,
        About(
            whole(1, 1_000_000),
            "The number of streams and waiting polls that a session can have at once; further ones "
            "get 429.",
            "readers",
        ),
    ] = 100
    client_readers: Annotated[
        int,
        About(
            whole(1, 1_000_000),
            "The number of streams and waiting polls that all sessions of a client can have at "
            "once.",
            "readers",
        ),
    ] = 20_000
    trusted_proxies: Annotated[
        tuple[str, ...],
        About(
            PROXIES,
            "The proxies whose X-Forwarded-For is trusted. Without it, everyone behind a proxy "
            "shares one address, and wrong passwords of one user delay the logins of all.",
        ),
    ] = ()
    max_connections: Annotated[
        int,
        About(
            whole(0, 1_000_000),
            "The number of connections that one address can have, or of its requests in progress "
            "behind a trusted proxy. 0 for half of the server's capacity.",
            "connections",
        ),
    ] = 0
    head_timeout: Annotated[
        float,
        About(
            number(0.1, 3600),
            "The time limit for a request's head, and for a TLS handshake.",
            "seconds",
        ),
    ] = 10.0
    body_timeout: Annotated[
        float,
        About(number(0.1, 3600), "The time limit for each 16 KiB of a request's body.", "seconds"),
    ] = 30.0
    answer_timeout: Annotated[
        float,
        About(
            number(0.1, 3600),
            "The time after which a connection is closed if the caller does not read its response.",
            "seconds",
        ),
    ] = 60.0
    idle_timeout: Annotated[
        float,
        About(
            number(0.1, 3600),
            "The time for which a connection stays open between two requests.",
            "seconds",
        ),
    ] = 75.0
    max_in_flight: Annotated[
        int,
        About(
            whole(1, 10_000),
            "The number of requests with events that are processed at once; further requests get "
            "503.",
            "requests",
        ),
    ] = 1000
    ring_bytes: Annotated[
        int,
        About(
            SIZE,
            "The memory for the newest events of all feeds. Older events are read from disk.",
            "bytes",
        ),
    ] = 256 * 2**20
    archive: Annotated[
        str,
        About(
            ARCHIVE,
            "Where each client's past hours are kept as Parquet files: a folder, or a bucket. "
            "Without it, there is no archive.",
        ),
    ] = ""
    archive_personal: Annotated[
        str,
        About(
            choice("drop", "mask", "hash", "keep"),
            "What the archive has of callers' phone numbers, accounts, names and e-mail "
            "addresses: nothing, the last four characters, a keyed hash, or everything.",
        ),
    ] = "drop"
    call_quiet_hours: Annotated[
        float,
        About(
            number(0.1, 168),
            "The time without an event after which live figures no longer include a call.",
            "hours",
        ),
    ] = 4.0
    agent_quiet_hours: Annotated[
        float,
        About(
            number(0.1, 168),
            "The time without an event after which live figures no longer include an agent.",
            "hours",
        ),
    ] = 16.0
    agent_late_minutes: Annotated[
        float,
        About(
            number(0, 60),
            "The delay up to which a late agent state is counted at its own time; a later state "
            "changes no figure.",
            "minutes",
        ),
    ] = 15.0


class Setting(NamedTuple):
    """One setting as users see it. ``default`` is written as users write it, or is empty."""

    name: str
    kind: Kind
    default: str
    unit: str
    meaning: str

    @property
    def flag(self) -> str:
        """Its option on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """Its variable in the environment."""
        return f"FLOORCAST_{self.name.upper()}"

    @property
    def help(self) -> str:
        """Its line in ``--help``, with the meaning, the unit and the default."""
        known = [self.unit, f"default {self.default}" if self.default else ""]
        notes = "; ".join(note for note in known if note)
        return f"{self.meaning} [{notes}]" if notes else self.meaning


def _shown(about: About, default: object) -> str:
    if default is None or default in {(), ""}:
        return ""
    if about.kind is SIZE and isinstance(default, int):
        return f"{default // 2**20}MiB"
    return f"{default:g}" if isinstance(default, float) else str(default)


def _table() -> dict[str, Setting]:
    hints = get_type_hints(Settings, include_extras=True)
    table = {}
    for field in structs.fields(Settings):
        about: About = hints[field.name].__metadata__[0]
        shown = _shown(about, field.default)
        table[field.name] = Setting(field.name, about.kind, shown, about.unit, about.meaning)
    return table


SETTINGS: Final = _table()
"""Every setting by name, the most important first."""
