"""Stores which clients' data is being rebuilt, so that the rebuild is repeated after a crash.

Data that is deleted to be rebuilt is incomplete until the log has been folded to its end.
"""

from __future__ import annotations

import apsw

from floorcast.sqlite.background_writer import BackgroundWriter

__all__ = ["STEP", "begin", "end", "incomplete"]

STEP = """
CREATE TABLE incomplete (client INTEGER PRIMARY KEY);
INSERT INTO incomplete SELECT DISTINCT client FROM calls;
"""
"""The layout step that creates the table.

It adds all clients that have stored calls, because an earlier release did not index these calls.
"""

BEGIN = "INSERT OR IGNORE INTO incomplete (client) VALUES (?)"
END = "DELETE FROM incomplete WHERE client = ?"


def begin(writer: BackgroundWriter, client: int) -> None:
    """Record that the client's data is being deleted and must be rebuilt."""
    writer.submit(0, lambda connection: connection.execute(BEGIN, (client,)))


def end(writer: BackgroundWriter, client: int) -> None:
    """Record that everything submitted so far makes the client's data complete again."""
    writer.submit(0, lambda connection: connection.execute(END, (client,)))


def incomplete(connection: apsw.Connection) -> list[int]:
    """Return the clients whose data must be rebuilt. Raises apsw.Error."""
    return [client for (client,) in connection.execute("SELECT client FROM incomplete")]
