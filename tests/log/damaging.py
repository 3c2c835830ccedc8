"""Damages a closed SQLite file as a disk might, with a flipped byte or a page of zeros."""

from __future__ import annotations

from pathlib import Path

import apsw

__all__ = ["flip", "leaf_of", "zero_page"]


def flip(path: Path, text: bytes) -> None:
    """Change the last byte of ``text`` at every place in the file."""
    content = path.read_bytes()
    assert text in content
    path.write_bytes(content.replace(text, text[:-1] + bytes([text[-1] ^ 1])))


def zero_page(path: Path, number: int) -> None:
    """Zero a page, numbered from 1."""
    size = int.from_bytes(path.read_bytes()[16:18], "big")
    with path.open("rb+") as file:
        file.seek((number - 1) * size)
        file.write(bytes(size))


def leaf_of(path: Path, table: str, index: int) -> int:
    """Return the page number of a table's ``index``-th leaf page."""
    connection = apsw.Connection(str(path))
    query = "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path"
    pages = [number for (number,) in connection.execute(query, (table,))]
    connection.close()
    return int(pages[index])
