"""The program: ``python -m floorcast`` is the same as ``floorcast``."""

from __future__ import annotations

import signal
import sys

__all__ = ["main"]


def main() -> None:
    """Load the program and run it. Ctrl-C during loading ends it without a traceback."""
    try:
        from floorcast.cli.app import main as run  # noqa: PLC0415 — it takes half a second
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    run()


if __name__ == "__main__":
    main()
