"""The settings: the name, meaning and allowed values of each.

``Settings`` is the one table of them. ``--help`` is made from it, and a test compares
``docs/settings.md`` with it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, NamedTuple, get_type_hints

from msgspec import Struct, structs

from floorcast.config.kinds import (
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
    """What a setting's annotation says about it; ``unit`` is empty if it needs none."""

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
            "A site file to apply at the start. Without it, the site stays as it was applied last.",
        ),
    ] = None
    host: Annotated[str, About(HOST, "The address to listen on; 0.0.0.0 for all of them.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, About(PORT, "The port to listen on; 0 for any free one.")] = 8080
    tls_cert: Annotated[
        Path | None,
        About(
            PATH,
            "A certificate chain (PEM): the server speaks HTTPS, TLS 1.2 or later. The files are"
            " read again when they change, and on SIGHUP.",
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
        About(TEXT, "The name of this node in its cluster. Without it, the host's name."),
    ] = ""
    streams: Annotated[
        int,
        About(
            whole(1, 256),
            "The number of streams that a cluster's clients are spread over. Fixed when the log is"
            " created.",
            "streams",
        ),
    ] = 4
    replicas: Annotated[
        int,
        About(
            whole(1, 5),
            "The number of NATS servers that store a new log. More than half of them have an event"
            " when it is acknowledged.",
            "replicas",
        ),
    ] = 3
    clients: Annotated[
        tuple[int, ...],
        About(CLIENTS, "The clients that this node of a cluster serves. Without it, all of them."),
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
            "The number of requests that a session may make; more get 429. 0 for no limit.",
            "requests a minute",
        ),
    ] = 0
    session_readers: Annotated[
        int,
        About(
            whole(1, 1_000_000),
            "How many streams and waiting polls a session may have at once; more are answered "
            "with 429.",
            "readers",
        ),
    ] = 100
    client_readers: Annotated[
        int,
        About(
            whole(1, 1_000_000),
            "How many streams and waiting polls all sessions of a client may have at once.",
            "readers",
        ),
    ] = 20_000
    trusted_proxies: Annotated[
        tuple[str, ...],
        About(
            PROXIES,
            "The proxies whose X-Forwarded-For is trusted. Without it, everybody behind a proxy"
            " shares one address, and wrong passwords of one slow the logins of all.",
        ),
    ] = ()
    max_connections: Annotated[
        int,
        About(
            whole(0, 1_000_000),
            "How many connections one address may have, or requests under way behind a trusted"
            " proxy. 0: half of what the server has room for.",
            "connections",
        ),
    ] = 0
    head_timeout: Annotated[
        float,
        About(
            number(0.1, 3600),
            "How long a request's head may take, and a TLS handshake.",
            "seconds",
        ),
    ] = 10.0
    body_timeout: Annotated[
        float,
        About(number(0.1, 3600), "How long each 16 KiB of a request's body may take.", "seconds"),
    ] = 30.0
    answer_timeout: Annotated[
        float,
        About(
            number(0.1, 3600),
            "How long a caller may take nothing of its answer before the connection is closed.",
            "seconds",
        ),
    ] = 60.0
    idle_timeout: Annotated[
        float,
        About(
            number(0.1, 3600),
            "How long a connection stays open between two requests.",
            "seconds",
        ),
    ] = 75.0
    max_in_flight: Annotated[
        int,
        About(
            whole(1, 10_000),
            "The number of requests with events that are processed at once; more get 503.",
            "requests",
        ),
    ] = 1000
    ring_bytes: Annotated[
        int,
        About(
            SIZE,
            "The memory for the newest events of all feeds together. Older events are read from"
            " disk.",
            "bytes",
        ),
    ] = 256 * 2**20
    call_quiet_hours: Annotated[
        float,
        About(
            number(0.1, 168),
            "How long a call may be without an event before live figures leave it out.",
            "hours",
        ),
    ] = 4.0
    agent_quiet_hours: Annotated[
        float,
        About(
            number(0.1, 168),
            "How long an agent may be without an event before live figures leave it out.",
            "hours",
        ),
    ] = 16.0
    agent_late_minutes: Annotated[
        float,
        About(
            number(0, 60),
            "An agent's state that arrives up to so late is put where its time belongs; a later one"
            " changes no figure.",
            "minutes",
        ),
    ] = 15.0


class Setting(NamedTuple):
    """One setting as people see it; ``default`` as they would write it, empty for none."""

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
        """Its line in ``--help``: the meaning, the unit, the default."""
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
"""Every setting by its name, the most important first."""
