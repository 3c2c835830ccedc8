"""Lines that tell a person how a command is doing. The command continues without them."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO

__all__ = ["discard_output", "flush_or_discard", "print_status"]


def print_status(text: str, *, error: bool = False) -> None:
    """Print ``text`` on standard output, or on standard error if ``error`` is set.

    If it cannot be written (a closed terminal or pipe, or a full disk), the text is lost, and so is
    everything that is printed there later.
    """
    output = sys.stderr if error else sys.stdout
    with suppress(ValueError):  # closed
        try:
            print(text, file=output, flush=True)
        except OSError:
            discard_output(output)


def flush_or_discard(output: TextIO) -> None:
    """Flush ``output``, so that Python does not fail to do so when it exits."""
    with suppress(ValueError):
        try:
            output.flush()
        except OSError:
            discard_output(output)


def discard_output(output: TextIO) -> None:
    """Discard what is in the output's buffer and what is printed later."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, output.fileno())
    os.close(nowhere)
