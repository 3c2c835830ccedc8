"""Reads ``connect.toml``, the configuration of a connector."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct, structs

from floorcast.connectors.connect_file_errors import explain
from floorcast.connectors.pbx.config import MappingConfig, SourceName
from floorcast.model.errors import SettingError
from floorcast.model.text import read_text

__all__ = [
    "AsteriskTable",
    "ConnectFile",
    "FreeswitchTable",
    "Kind",
    "LivevoxTable",
    "read_connect_file",
    "read_secret",
]

Kind = Literal["asterisk", "freeswitch", "livevox"]
"""A kind of source, which is also the name of its table."""


class AsteriskTable(MappingConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``[asterisk]``, which configures the source and the mapping.

    ``ami`` is ``HOST[:PORT]``. The secret is in ``ami_secret_file``, unless it comes from the
    environment (``FLOORCAST_AMI_SECRET``) or the prompt. If ``ami_tls`` is true, AMI uses TLS. The
    PBX's certificate must then be signed by an authority in ``ami_ca_file`` or, without that file,
    by one that the machine trusts.
    """

    ami: str = ""
    ami_user: str = ""
    ami_secret_file: str = ""
    ami_tls: bool = False
    ami_ca_file: str = ""
    queue_log: str = ""

    def mapping(self) -> MappingConfig:
        """Return the configuration of the mapping."""
        return _mapping(self)


class FreeswitchTable(MappingConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``[freeswitch]``, which configures the source and the mapping.

    ``esl`` is ``HOST[:PORT]``. The password is in ``esl_password_file``, unless it comes from the
    environment (``FLOORCAST_ESL_PASSWORD``) or the prompt. If ``esl_user`` is set, the password is
    that user's.
    """

    source: SourceName = "freeswitch"
    esl: str = ""
    esl_user: str = ""
    esl_password_file: str = ""

    def mapping(self) -> MappingConfig:
        """Return the configuration of the mapping."""
        return _mapping(self)


class LivevoxTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``[livevox]``, which configures the server to follow and the login.

    ``from_url`` is the server's URL. The password is in ``password_file``, unless it comes from the
    environment (``FLOORCAST_PASSWORD``) or the prompt. The API token is in ``api_token_file``,
    unless it comes from ``FLOORCAST_API_TOKEN``. ``source`` names the server in ids.
    ``poll_seconds`` is the interval between requests for waiting calls, and 0 disables these
    requests.
    """

    source: Annotated[str, Meta(min_length=1, max_length=1024)] = "livevox"
    from_url: str = ""
    client: str = ""
    user: str = ""
    password_file: str = ""
    api_token_file: str = ""
    poll_seconds: Annotated[float, Meta(ge=0, le=3600)] = 5.0


def _mapping(table: MappingConfig) -> MappingConfig:
    return MappingConfig(**{name: getattr(table, name) for name in MappingConfig.__struct_fields__})


class ConnectFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The contents of the file. ``key_file`` can replace ``key``.

    Paths are relative to the file's folder.
    """

    url: str = "http://127.0.0.1:8080"
    key: str = ""
    key_file: str = ""
    spool: Annotated[str, Meta(min_length=1, max_length=4096)] = "connect.db"
    metrics_port: Annotated[int, Meta(ge=0, le=65_535)] = 0
    metrics_host: Annotated[str, Meta(min_length=1, max_length=253)] = "127.0.0.1"
    record: str = ""
    asterisk: AsteriskTable | None = None
    freeswitch: FreeswitchTable | None = None
    livevox: LivevoxTable | None = None


TABLES: dict[Kind, type[Struct]] = {
    "asterisk": AsteriskTable,
    "freeswitch": FreeswitchTable,
    "livevox": LivevoxTable,
}
PATHS = {
    "asterisk": ("ami_secret_file", "ami_ca_file", "queue_log"),
    "freeswitch": ("esl_password_file",),
    "livevox": ("password_file", "api_token_file"),
}
AnyStruct = TypeVar("AnyStruct", bound=Struct)


def read_connect_file(
    path: Path | None, overrides: Mapping[str, object], kind: Kind | None = None
) -> ConnectFile:
    """Return the file's values. A value in ``overrides`` replaces the value with the same name.

    Only the table of ``kind`` is used. Without a ``kind``, the file must not have more than one
    table. Raises SettingError, which names the invalid key.
    """
    table: dict[str, Any] = {}
    if path is not None:
        try:
            table = tomllib.loads(read_text(path))
        except OSError as error:
            raise SettingError(f"{path} cannot be read: {error.strerror or error}") from None
        except ValueError as error:
            raise SettingError(f"{path} cannot be read as TOML: {error}") from None
    kind = kind or _only_kind(path, table)
    table |= {name: overrides[name] for name in ConnectFile.__struct_fields__ if name in overrides}
    table_overrides = {
        name: overrides[name] for name in TABLES[kind].__struct_fields__ if name in overrides
    }
    inner = table.get(kind, {})
    if isinstance(inner, dict) and (table_overrides or kind in table):
        table[kind] = {**inner, **table_overrides}
    try:
        # strict=False, because a port from the environment is text
        found = msgspec.convert(table, ConnectFile, strict=False)
    except msgspec.ValidationError as error:
        where = path or "the options of connect"
        raise SettingError(f"{where}: {explain(error, table, ConnectFile)}") from None
    return _resolved(found, path.parent if path else Path(), overrides)


def _only_kind(path: Path | None, table: Mapping[str, object]) -> Kind:
    kinds = [kind for kind in TABLES if kind in table]
    if len(kinds) > 1:
        tables = " and ".join(f"[{kind}]" for kind in kinds)
        raise SettingError(
            f"{path} has {tables}: choose one with floorcast connect {kinds[0]} --config {path};"
            " each needs its own process and spool"
        )
    return kinds[0] if kinds else "asterisk"


def read_secret(file: str) -> str:
    """Return the first line of a file. Raises SettingError."""
    try:
        lines = read_text(Path(file)).splitlines()
    except OSError as error:
        raise SettingError(f"{file} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise SettingError(f"{file} cannot be read: {error}") from None
    if not lines or not lines[0].strip():
        raise SettingError(f"{file}: its first line must be the secret")
    return lines[0].strip()


def _resolved(found: ConnectFile, folder: Path, overrides: Mapping[str, object]) -> ConnectFile:
    def resolve(struct: AnyStruct, names: tuple[str, ...]) -> AnyStruct:
        paths = {name: getattr(struct, name) for name in names if name not in overrides}
        return structs.replace(
            struct, **{name: str(folder / path) for name, path in paths.items() if path}
        )

    found = resolve(found, ("key_file", "spool", "record"))
    tables = {kind: table for kind in TABLES if (table := getattr(found, kind)) is not None}
    return structs.replace(
        found, **{kind: resolve(table, PATHS[kind]) for kind, table in tables.items()}
    )
