"""A limit on how deeply JSON may be nested, which is the same for every Python version.

The decoder's own limit depends on the interpreter's stack: about 1,000 levels on Python 3.11 and
10,000 on 3.13. The nodes of a cluster may run different Python versions, but must accept the same
events.
"""

from __future__ import annotations

from itertools import accumulate

__all__ = ["MAX_DEPTH", "SHALLOW_BYTES", "TOO_NESTED", "check_nesting"]

MAX_DEPTH = 500  # levels of arrays and objects: half of what Python 3.11 can decode
SHALLOW_BYTES = 2 * MAX_DEPTH  # each level takes two brackets: shorter text has fewer levels
_MAX_BRACKETS = 100_000  # brackets that are checked one by one, which takes a few milliseconds

TOO_NESTED = (
    "nested too deeply or has too many brackets: at most"
    f" {MAX_DEPTH} levels and {_MAX_BRACKETS:,} brackets"
)
"""What is wrong with JSON that raises RecursionError, after "is"."""

_IRRELEVANT = bytes(set(range(256)) - set(b'[]{}"'))
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def check_nesting(text: bytes) -> None:
    """Raise RecursionError, as the decoder does, if JSON has more than ``MAX_DEPTH`` levels.

    Text with more than 100,000 brackets outside strings is also rejected. Malformed JSON is left
    to the decoder.
    """
    if len(text) <= SHALLOW_BYTES or text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return
    brackets = _brackets_outside_strings(text)
    if len(brackets) > _MAX_BRACKETS or any(
        depth > MAX_DEPTH for depth in accumulate(map(_STEPS.__getitem__, brackets))
    ):
        raise RecursionError("JSON nests too deeply")


def _brackets_outside_strings(text: bytes) -> bytes:
    # A regular expression that matches strings takes up to 10 times as long.
    if b"\\" in text:
        text = text.replace(rb"\\", b"").replace(rb"\"", b"")
    marks = text.translate(None, _IRRELEVANT).replace(b'""', b"")  # two marks keep the parity
    # No two quotation marks are adjacent now, so half of the gaps are brackets outside strings.
    if marks.count(b'"') > 2 * _MAX_BRACKETS + 2:
        raise RecursionError("JSON has too many brackets")
    return b"".join(marks.split(b'"')[::2])
