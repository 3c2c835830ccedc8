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
    integer,
    number,
)

__all__ = ["SETTINGS", "Setting", "Settings"]


class SettingInfo(NamedTuple):
    """The description of a setting. ``unit`` is empty if the setting has no unit."""

    kind: Kind
    meaning: str
    unit: str = ""


class Settings(Struct, frozen=True, kw_only=True):
    """The values of all settings, after the checks."""

    data: Annotated[
        Path,
        SettingInfo(
            PATH,
            "The folder for the log, the site and the sessions. With :memory:, all data is lost "
            "when the server stops.",
        ),
    ] = Path("floorcast-data")
    site: Annotated[
        Path | None,
        SettingInfo(
            PATH,
            "The site file to apply when the server starts. If this is not set, the server uses "
            "the site that was applied last.",
        ),
    ] = None
    host: Annotated[
        str, SettingInfo(HOST, "The address to listen on; 0.0.0.0 for all addresses.")
    ] = "127.0.0.1"
    port: Annotated[int, SettingInfo(PORT, "The port to listen on; 0 for any free port.")] = 8080
    tls_cert: Annotated[
        Path | None,
        SettingInfo(
            PATH,
            "The certificate chain (PEM). If this is set, the server accepts only HTTPS, with TLS "
            "1.2 or later. It reloads the certificate and the key when they change, and on "
            "SIGHUP.",
        ),
    ] = None
    tls_key: Annotated[
        Path | None,
        SettingInfo(
            PATH,
            "The certificate's private key (PEM, unencrypted).",
        ),
    ] = None
    log: Annotated[
        str,
        SettingInfo(
            LOG, "Where events are stored: in the data folder (embedded) or in a NATS cluster."
        ),
    ] = "embedded"
    node: Annotated[
        str,
        SettingInfo(TEXT, "The name of this node in the cluster. Default: the host name."),
    ] = ""
    streams: Annotated[
        int,
        SettingInfo(
            integer(1, 256),
            "The number of streams over which a cluster distributes its clients. It cannot be "
            "changed after the log is created.",
            "streams",
        ),
    ] = 4
    replicas: Annotated[
        int,
        SettingInfo(
            integer(1, 5),
            "The number of NATS servers that store each event of a new log. An event is "
            "acknowledged after more than half of them have stored it.",
            "replicas",
        ),
    ] = 3
    clients: Annotated[
        tuple[int, ...],
        SettingInfo(CLIENTS, "The clients that this cluster node serves. Default: all."),
    ] = ()
    log_level: Annotated[
        str,
        SettingInfo(
            choice("debug", "info", "warning", "error"), "The lowest level that the server logs."
        ),
    ] = "info"
    log_format: Annotated[
        str,
        SettingInfo(
            choice("auto", "text", "json"),
            "The format of the server's log; auto is text on a terminal and JSON elsewhere.",
        ),
    ] = "auto"
    rate_limit: Annotated[
        int,
        SettingInfo(
            integer(0, 1_000_000),
            "The maximum number of requests per minute from one session; further requests get 429. "
            "0 for no limit.",
            "requests a minute",
        ),
    ] = 0
    session_readers: Annotated[
        int,
        SettingInfo(
            integer(1, 1_000_000),
            "The maximum number of simultaneous streams and waiting polls per session; further "
            "requests get 429.",
            "readers",
        ),
    ] = 100
    client_readers: Annotated[
        int,
        SettingInfo(
            integer(1, 1_000_000),
            "The maximum number of simultaneous streams and waiting polls for all sessions of a "
            "client.",
            "readers",
        ),
    ] = 20_000
    trusted_proxies: Annotated[
        tuple[str, ...],
        SettingInfo(
            PROXIES,
            "The proxies whose X-Forwarded-For header is trusted. If this is not set, all users "
            "behind a proxy share one address, and one user's wrong passwords delay everyone's "
            "logins.",
        ),
    ] = ()
    max_connections: Annotated[
        int,
        SettingInfo(
            integer(0, 1_000_000),
            "The maximum number of connections from one address. Behind a trusted proxy, this "
            "limits the requests in progress from one address instead. 0 for half of the server's "
            "capacity.",
            "connections",
        ),
    ] = 0
    head_timeout: Annotated[
        float,
        SettingInfo(
            number(0.1, 3600),
            "The time limit for receiving a request's headers, and for a TLS handshake.",
            "seconds",
        ),
    ] = 10.0
    body_timeout: Annotated[
        float,
        SettingInfo(
            number(0.1, 3600),
            "The time limit for receiving each 16 KiB of a request's body.",
            "seconds",
        ),
    ] = 30.0
    answer_timeout: Annotated[
        float,
        SettingInfo(
            number(0.1, 3600),
            "How long a caller can leave a response unread before the server closes the "
            "connection.",
            "seconds",
        ),
    ] = 60.0
    idle_timeout: Annotated[
        float,
        SettingInfo(
            number(0.1, 3600),
            "How long an idle connection stays open between requests.",
            "seconds",
        ),
    ] = 75.0
    max_in_flight: Annotated[
        int,
        SettingInfo(
            integer(1, 10_000),
            "The maximum number of event requests in progress at once; further requests get 503.",
            "requests",
        ),
    ] = 1000
    ring_bytes: Annotated[
        int,
        SettingInfo(
            SIZE,
            "The memory for the newest events of all feeds. Older events are read from disk.",
            "bytes",
        ),
    ] = 256 * 2**20
    archive: Annotated[
        str,
        SettingInfo(
            ARCHIVE,
            "The folder or bucket that stores each client's past hours as Parquet files. If this "
            "is not set, there is no archive.",
        ),
    ] = ""
    archive_personal: Annotated[
        str,
        SettingInfo(
            choice("drop", "mask", "hash", "keep"),
            "How the archive stores callers' phone numbers, accounts, names and e-mail addresses. "
            "drop omits them, mask shows only the last four characters, hash stores a keyed hash, "
            "and keep stores them in full.",
        ),
    ] = "drop"
    call_quiet_hours: Annotated[
        float,
        SettingInfo(
            number(0.1, 168),
            "How long live figures include a call after its last event.",
            "hours",
        ),
    ] = 4.0
    agent_quiet_hours: Annotated[
        float,
        SettingInfo(
            number(0.1, 168),
            "How long live figures include an agent after its last event.",
            "hours",
        ),
    ] = 16.0
    agent_late_minutes: Annotated[
        float,
        SettingInfo(
            number(0, 60),
            "How late an agent state may arrive and still count at its own time. A state that "
            "arrives later does not change any figure.",
            "minutes",
        ),
    ] = 15.0


class Setting(NamedTuple):
    """One setting as documented for users. ``default`` is empty if there is no default."""

    name: str
    kind: Kind
    default: str
    unit: str
    meaning: str

    @property
    def flag(self) -> str:
        """The setting's command-line option."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The setting's environment variable."""
        return f"FLOORCAST_{self.name.upper()}"

    @property
    def help(self) -> str:
        """The setting's text in ``--help``: the meaning, and the default with its unit."""
        if not self.default:
            return self.meaning
        unit = f" {self.unit}" if self.unit and self.default[-1].isdigit() else ""
        return f"{self.meaning} [default: {self.default}{unit}]"


def _format_default(info: SettingInfo, default: object) -> str:
    if default is None or default in {(), ""}:
        return ""
    if info.kind is SIZE and isinstance(default, int):
        return f"{default // 2**20}MiB"
    return f"{default:g}" if isinstance(default, float) else str(default)


def _all_settings() -> dict[str, Setting]:
    hints = get_type_hints(Settings, include_extras=True)
    table = {}
    for field in structs.fields(Settings):
        info: SettingInfo = hints[field.name].__metadata__[0]
        shown = _format_default(info, field.default)
        table[field.name] = Setting(field.name, info.kind, shown, info.unit, info.meaning)
    return table


SETTINGS: Final = _all_settings()
"""All settings by name. The most important ones come first."""
