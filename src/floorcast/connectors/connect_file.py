"""``connect.toml``: how the connectors of one process are set up."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from floorcast.connectors.pbx.config import MappingConfig
from floorcast.model.errors import SettingError

__all__ = ["AsteriskTable", "ConnectFile", "read_connect_file", "read_secret"]


class AsteriskTable(MappingConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``[asterisk]``: where it is read, and what the mapping needs to know.

    ``ami`` is ``HOST[:PORT]``; the secret is in ``ami_secret_file``, unless the environment
    (``FLOORCAST_AMI_SECRET``) or the prompt gives it.
    """

    ami: str = ""
    ami_user: str = ""
    ami_secret_file: str = ""
    queue_log: str = ""

    def mapping(self) -> MappingConfig:
        """What the mapping needs to know."""
        return MappingConfig(
            **{name: getattr(self, name) for name in MappingConfig.__struct_fields__}
        )


class ConnectFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file; ``key_file`` may stand in for ``key``. Paths are relative to the file."""

    url: str = "http://127.0.0.1:8080"
    key: str = ""
    key_file: str = ""
    spool: str = "connect.db"
    metrics_port: int = 0
    metrics_host: str = "127.0.0.1"
    record: str = ""
    asterisk: AsteriskTable | None = None


def read_connect_file(path: Path | None, given: Mapping[str, object]) -> ConnectFile:
    """The file's values, and over them those that were given elsewhere, by their names.

    Raises SettingError, naming the member that cannot be used.
    """
    table: dict[str, object] = {}
    if path is not None:
        try:
            table = tomllib.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise SettingError(f"{path} cannot be read as TOML: {error}") from None
    asterisk = table.get("asterisk")
    own = set(ConnectFile.__struct_fields__)
    under = {name: value for name, value in given.items() if name not in own}
    if isinstance(asterisk, dict) or under:
        table["asterisk"] = {**(asterisk if isinstance(asterisk, dict) else {}), **under}
    table |= {name: value for name, value in given.items() if name in own}
    try:
        # strict=False: a port is text where the environment gives it
        found = msgspec.convert(table, ConnectFile, strict=False)
    except msgspec.ValidationError as error:
        raise SettingError(f"{path or 'the options of connect'}: {error}") from None
    return _resolved(found, path.parent if path else Path(), given)


def read_secret(file: str) -> str:
    """The first line of a file; raises SettingError."""
    try:
        lines = Path(file).read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise SettingError(f"{file} cannot be read: {error}") from None
    if not lines or not lines[0].strip():
        raise SettingError(f"{file}: its first line must be the secret")
    return lines[0].strip()


def _resolved(found: ConnectFile, folder: Path, given: Mapping[str, object]) -> ConnectFile:
    def at(name: str, value: str) -> str:
        return value if not value or name in given else str(folder / value)

    names = ("key_file", "spool", "record")
    found = msgspec.structs.replace(
        found, **{name: at(name, getattr(found, name)) for name in names}
    )
    if found.asterisk is None:
        return found
    paths = {
        name: at(name, getattr(found.asterisk, name)) for name in ("ami_secret_file", "queue_log")
    }
    return msgspec.structs.replace(found, asterisk=msgspec.structs.replace(found.asterisk, **paths))
