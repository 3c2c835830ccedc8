"""Tests of reading text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.model.text import decode_text, is_utf8, read_text


@given(st.text())
def test_utf8_is_read_with_and_without_a_byte_order_mark(text: str) -> None:
    """Editors on Windows write the mark, which is not part of the text."""
    without = text.removeprefix("\ufeff")
    assert decode_text(without.encode()) == decode_text(without.encode("utf-8-sig")) == without
    assert is_utf8(text)


@pytest.mark.parametrize(
    ("raw", "line"),
    [(b"\xff\xfe[\0", 1), (b"a\nb\r\ncaf\xe9\n", 3), (b"\xef\xbb\xbf\n\xed\xa0\x80", 2)],
)
def test_the_error_names_the_line_that_is_not_utf8(tmp_path: Path, raw: bytes, line: int) -> None:
    """Line numbers begin with 1."""
    (tmp_path / "text").write_bytes(raw)
    with pytest.raises(ValueError, match=f"line {line} is not UTF-8"):
        read_text(tmp_path / "text")


def test_undecodable_bytes_of_the_command_line_are_recognized() -> None:
    """Python decodes them to surrogates."""
    assert not is_utf8(b"caf\xe9".decode(errors="surrogateescape"))
