"""``python -m floorcast`` is the same program as ``floorcast``."""

from floorcast.cli.app import main

main()
