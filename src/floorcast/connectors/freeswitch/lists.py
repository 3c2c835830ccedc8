"""Parses ``callcenter_config`` lists: a header row, rows of values, and ``+OK``. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

from floorcast.connectors.pbx.numbers import whole_number
from floorcast.model.errors import Unavailable

__all__ = ["Row", "number_in", "parse_list"]

Row = dict[str, str]
# Columns that may contain a |.
FREE_TEXT_COLUMNS = ("contact", "cid_name", "moh_sound", "record_template")


def parse_list(reply: str, command: str) -> list[Row]:
    """Return the rows of a list. Raises Unavailable if the reply is not a list.

    An empty list has no header row. Rows whose length differs from the header's are skipped.
    """
    text = reply.strip()
    if text.startswith(("-ERR", "-USAGE")) or not text.endswith("+OK"):
        raise Unavailable(f"FreeSWITCH refuses {command!r}: {text[:200]}{_help(text)}")
    lines = [line for line in text.removesuffix("+OK").splitlines() if line.strip()]
    if not lines:
        return []
    names = lines[0].split("|")
    rows = (_row(names, line.split("|")) for line in lines[1:])
    return [row for row in rows if row is not None]


def number_in(row: Row, name: str) -> float:
    """Return a column as a whole number, or 0 if it does not contain one."""
    return whole_number(row.get(name, ""))


def _row(names: Sequence[str], values: list[str]) -> Row | None:
    extra = len(values) - len(names)
    if extra > 0:
        at = next((names.index(name) for name in FREE_TEXT_COLUMNS if name in names), None)
        if at is None:
            return None
        values[at : at + extra + 1] = ["|".join(values[at : at + extra + 1])]
    return dict(zip(names, values, strict=True)) if len(values) == len(names) else None


def _help(text: str) -> str:
    if "not found" in text:
        return "; load mod_callcenter"
    if "permission denied" in text:
        return "; grant the user the right to use it (esl-allowed-api)"
    return ""
