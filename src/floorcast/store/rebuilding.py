"""The clients whose stored data is being rebuilt, stored so that they survive a crash.

Data that is deleted for rebuilding is incomplete until the log has been folded to its end.
"""

from __future__ import annotations

import apsw

from floorcast.sqlite.background_writer import BackgroundWriter

__all__ = ["STEP", "begin", "end", "incomplete"]

STEP = """
CREATE TABLE incomplete (client INTEGER PRIMARY KEY);
INSERT INTO incomplete SELECT DISTINCT client FROM calls;
"""
"""The step that adds the clients whose calls an earlier release did not index."""

BEGIN = "INSERT OR IGNORE INTO incomplete (client) VALUES (?)"
END = "DELETE FROM incomplete WHERE client = ?"


def begin(writer: BackgroundWriter, client: int) -> None:
    """Record that the client's data is deleted and must be rebuilt."""
    writer.submit(0, lambda connection: connection.execute(BEGIN, (client,)), _nothing)


def end(writer: BackgroundWriter, client: int) -> None:
    """Record that the client's data is complete with everything submitted before."""
    writer.submit(0, lambda connection: connection.execute(END, (client,)), _nothing)


def incomplete(connection: apsw.Connection) -> list[int]:
    """The clients whose data has to be rebuilt. Raises apsw.Error."""
    return [client for (client,) in connection.execute("SELECT client FROM incomplete")]


def _nothing() -> None:
    """Do nothing, because there is no waiter."""
