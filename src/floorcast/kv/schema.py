"""The layout of ``admin.db``, and how an older one becomes the present one.

``PRAGMA user_version`` says how many of ``MIGRATIONS`` a file has been through. A migration
that was released is never edited: a change is a new one at the end.
"""

from __future__ import annotations

from typing import Final

import apsw

from floorcast.model.errors import SettingError

__all__ = ["MIGRATIONS", "migrate"]

APPLICATION_ID: Final = 0x464C4341  # "FLCA" in the file's header, as file(1) and we read it

MIGRATIONS: Final[tuple[str, ...]] = (
    """
    CREATE TABLE item (
        bucket TEXT NOT NULL,
        key TEXT NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (bucket, key)
    ) STRICT;
    CREATE TABLE bucket (
        name TEXT PRIMARY KEY,
        version INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
)


def migrate(connection: apsw.Connection, name: str) -> None:
    """Bring the file behind ``connection`` to the present layout.

    ``name`` is how messages call the file. Raises ``SettingError`` when it belongs to another
    program, or to a later release of floorcast than this one.
    """
    if _mark(connection, "user_version") == len(MIGRATIONS) and _is_ours(connection):
        return
    connection.execute("BEGIN IMMEDIATE")  # another process may be at it too; ask again inside
    try:
        for script in MIGRATIONS[_layout(connection, name) :]:
            connection.execute(script)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _layout(connection: apsw.Connection, name: str) -> int:
    at = _mark(connection, "user_version")
    if not _is_ours(connection) and (at or _tables(connection)):
        raise SettingError(f"{name} is not floorcast's: it is another program's database")
    if at > len(MIGRATIONS):
        raise SettingError(
            f"{name} was written by a later release of floorcast (layout {at}; this one knows"
            f" up to {len(MIGRATIONS)}): use that release, or another data folder"
        )
    return at


def _mark(connection: apsw.Connection, pragma: str) -> int:
    return int(connection.pragma(pragma))


def _is_ours(connection: apsw.Connection) -> bool:
    return _mark(connection, "application_id") == APPLICATION_ID


def _tables(connection: apsw.Connection) -> bool:
    return bool(connection.execute("SELECT count(*) FROM sqlite_schema").get)
