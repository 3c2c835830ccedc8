"""The program: ``python -m floorcast`` is the same as ``floorcast``."""

from __future__ import annotations

import os
import signal
import sys

__all__ = ["main"]

LONG_RUNNING = (["connect"], ["demo"], ["serve"])


def main() -> None:
    """Load the program and run it. Ctrl-C during loading ends it without a traceback.

    A program that runs for a long time handles SIGHUP later. A reload must not end it before.
    """
    _open_missing_streams()
    if sys.argv[1:2] in LONG_RUNNING and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda _number, _frame: None)
    # httpx's own command, which httpx loads with Pygments if it can, takes 60 ms
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # Python takes None
    try:
        from floorcast.cli.app import main as run  # noqa: PLC0415 — it takes half a second
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    run()


def _open_missing_streams() -> None:
    """Open the standard streams that are closed (``floorcast backup DIR >&-``), to nowhere.

    Python has none, so every print would fail, and the next file, such as a database, would get the
    number of standard output.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


if __name__ == "__main__":
    main()
