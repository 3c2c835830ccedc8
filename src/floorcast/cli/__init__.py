"""The ``floorcast`` command: one module a subcommand, listed in ``floorcast.cli.app``."""
